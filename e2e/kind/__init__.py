"""The provider `kind`: the same scenarios on kind's nodes, where Docker and published images are at hand."""
