"""Django's backend for MySQL and MariaDB, for connections that are kept between requests."""
