"""The site as an ASGI application: pages and REST by Django, websockets by Channels.

Importing it loads no TensorFlow; `manage.py serve` starts the engine beside it.
"""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter, URLRouter

from facerec_site.handler import get_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "facerec_site.settings")
# This comes first because it loads the apps that the imports below need.
django_application = get_application()

from accounts.websocket import with_access  # noqa: E402
from facerec_site.bodies import BodyGate  # noqa: E402
from facerec_site.request_id import with_request_id  # noqa: E402
from recognition.live.ws.routing import websocket_urlpatterns  # noqa: E402

application = with_request_id(
    ProtocolTypeRouter(
        {
            "http": BodyGate(django_application),
            "websocket": with_access(URLRouter(websocket_urlpatterns)),
        }
    )
)
