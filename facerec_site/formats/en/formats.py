"""Dates as day, month, year. Times have seconds, because events follow each other closely."""

DATE_FORMAT = SHORT_DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "j M Y, H:i:s"
MONTH_DAY_FORMAT = "j F"
FIRST_DAY_OF_WEEK = 1
