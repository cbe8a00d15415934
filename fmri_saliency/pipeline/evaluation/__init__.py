"""Pairs of network and explainer on data whose truth is known."""
