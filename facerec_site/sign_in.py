"""The sign-in page. It limits how often one address may try; django-axes locks single names."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.browsers import browser_remember
from facerec_site.throttling import SignInRateThrottle


class SignInView(LoginView):
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer 429 before a password is checked, because checking one is slow by design."""
        throttle = SignInRateThrottle()
        if throttle.allow_request(request, self):  # type: ignore[arg-type]
            return super().post(request, *args, **kwargs)
        response = render(request, "registration/throttled.html", status=429)
        response["Retry-After"] = str(max(1, round(throttle.wait() or 1)))
        return response

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        username = form.get_user().get_username()
        browser_remember(request=self.request, response=response, username=username)
        return response
