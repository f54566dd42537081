"""Dates in the order of most of the world, times to the second: events are close to each other."""

DATE_FORMAT = SHORT_DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "j M Y, H:i:s"
MONTH_DAY_FORMAT = "j F"
FIRST_DAY_OF_WEEK = 1
