"""The name of this module is the one that Django looks for."""

from __future__ import annotations

import select

import MySQLdb
from django.db.backends.mysql.base import DatabaseWrapper as MysqlWrapper


class DatabaseWrapper(MysqlWrapper):
    def is_usable(self) -> bool:
        """Waits for the server's answer no longer than for a new connection. Django's own question
        waits as long as TCP does: minutes, if the server is paused or its host lost its power."""
        waits_s = self.settings_dict["OPTIONS"]["connect_timeout"]
        try:
            self.connection.send_query("SELECT 1")
            answered = select.poll()
            answered.register(self.connection.fileno(), select.POLLIN)
            if not answered.poll(1000 * waits_s):
                return False
            self.connection.read_query_result()
            self.connection.store_result()
        except MySQLdb.Error:
            return False
        return True
