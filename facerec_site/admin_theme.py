"""Settings of Unfold, the theme of the admin: names, icons, colours and the menu."""

from django.templatetags.static import static

# The main colour of the pages, from its lightest to its darkest shade.
_PRIMARY = {
    "50": "oklch(97.4% .014 277)",
    "100": "oklch(94.5% .030 277)",
    "200": "oklch(88.9% .060 277)",
    "300": "oklch(80.5% .105 277)",
    "400": "oklch(70.0% .150 276)",
    "500": "oklch(60.0% .190 274)",
    "600": "oklch(52.5% .215 272)",
    "700": "oklch(46.0% .200 272)",
    "800": "oklch(39.0% .165 272)",
    "900": "oklch(33.5% .125 272)",
    "950": "oklch(25.0% .090 272)",
}
UNFOLD = {
    "SITE_TITLE": "Facerec",
    "SITE_HEADER": "Facerec",
    "SITE_ICON": lambda request: static("web/logo.svg"),
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("web/logo.svg"),
        }
    ],
    "COLORS": {"primary": _PRIMARY},
    "SHOW_HISTORY": False,
    "STYLES": [lambda request: static("web/admin.css")],
    "DASHBOARD_CALLBACK": "recognition.events.admin.dashboard.dashboard",
    "SIDEBAR": {
        "show_search": False,
        "navigation": "recognition.events.admin.dashboard.navigation",
    },
}
