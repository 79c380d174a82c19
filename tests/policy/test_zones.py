from handrail.policy.zones import zones


def test_an_alias_stands_for_its_zone():
    """Case and blanks around it do not matter; a zone's own name stands for itself."""
    known = zones({"Production": ("live", "prod", "production")})
    assert known.of(" PROD ") == known.of("production") == known.of("Production") == "Production"


def test_an_unknown_text_is_no_zone_but_stays():
    """A rule on production does not fire for dev; two spellings of dev are still the same."""
    known = zones({"production": ("production",)})
    assert known.of("Dev ") == "dev"
    assert known.known("dev") is None


def test_only_names_can_be_compared_with():
    """An alias never occurs in an effect."""
    words = zones({"production": ("prod", "production")}).vocabulary
    assert words.known == {"production"}
    assert words.aliases == {"prod": "production"}
