"""Runs among the derivatives of fMRIPrep, with what the raw data set says of them."""
