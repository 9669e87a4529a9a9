"""The provider `kind`: the same scenarios on kind's nodes, with published images, where a container engine is at hand."""
