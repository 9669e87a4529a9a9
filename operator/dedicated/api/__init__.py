"""The custom resources and the words they are made of. Imports nothing of ours from other layers."""
