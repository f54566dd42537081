"""Collections and their people: enrolment, the index, identification, calibration."""
