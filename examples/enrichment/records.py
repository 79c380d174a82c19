"""The contracts of the job: what the feeds answer, and what the catalogue may hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

Text = Annotated[str, Field(min_length=1)]


class Place(TypedDict):
    """What both sides agree on."""

    name: Text
    country: Text
    latitude: float
    longitude: float


class AirportAnswer(Place):
    """What the airport feed answers. City and state may be null: that is all this feed promises."""

    city: str | None
    state: str | None


class AirportRecord(Place):
    """What the catalogue may hold of an airport: no null, and a state as two letters."""

    city: Text
    state: Annotated[str, Field(pattern="^[A-Z]{2}$")]


class Day(TypedDict):
    """One day of weather."""

    precipitation: float
    temp_max: float
    temp_min: float
    wind: float
    weather: Literal["drizzle", "fog", "rain", "snow", "sun"]


def on_the_right_side(airport: AirportRecord) -> AirportRecord:
    """Guam and the Northern Marianas (CQ) lie east of Greenwich, American Samoa south of the equator."""
    if airport["state"] in {"GU", "CQ"} and airport["longitude"] < 0:
        raise ValueError("lies west of Greenwich, and its state lies east of it")
    if airport["state"] == "AS" and airport["latitude"] > 0:
        raise ValueError("lies north of the equator, and its state lies south of it")
    return airport


def label_fits_the_gauge(day: Day) -> Day:
    """A day on which the gauge measured something was not a dry one."""
    if day["precipitation"] > 0 and day["weather"] not in {"drizzle", "rain", "snow"}:
        raise ValueError("is labelled sun or fog, and the gauge measured precipitation")
    return day


ValidAirport = Annotated[AirportRecord, AfterValidator(on_the_right_side)]
ValidDay = Annotated[Day, AfterValidator(label_fits_the_gauge)]
