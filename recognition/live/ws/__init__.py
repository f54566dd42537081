"""Websockets: live streams, the event feed, previews of cameras."""
