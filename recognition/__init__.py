"""People, their faces, cameras and events; the REST, websocket, admin and page edges of them."""
