"""What the terms say, as pure rules: (facts, now) -> finding. One room per clause family."""
