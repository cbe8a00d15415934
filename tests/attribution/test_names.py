from fmri_saliency.attribution import METHODS, REFUSED, method_names


def test_the_names_are_those_of_the_methods():
    assert method_names() == list(METHODS)
    assert not set(REFUSED) & set(METHODS)
