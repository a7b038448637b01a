"""When offices work: calendars, holidays, limits and the dates that follow from them."""
