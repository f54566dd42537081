"""A job is started from its page in the admin, which shows its progress."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import PATIENCE_MS
from tests.e2e.conftest import OpenPage
from tests.e2e.site import Api

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.timeout(180)]


def test_job_that_waits_is_run_now_and_its_page_shows_what_came_of_it(
    open_page: OpenPage, api: Api
) -> None:
    waiting = next(job for job in api.rows("jobs") if job["state"] == "queued")
    page = open_page("/admin/jobs/job/")
    row = page.locator("#result_list tr", has=page.locator(f"[data-job='{waiting['id']}']"))
    row.get_by_role("link").first.click()
    page.get_by_role("button", name="Run now").click()
    # Without any action of the user, the script learns of the end and loads the result.
    expect(page.locator(".fr-job-state")).to_have_text("Done", timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Start it again")).to_be_visible()
    expect(page.locator(".fr-log")).to_contain_text("Attempt 1 of 3")
    assert [job["state"] for job in api.rows("jobs")].count("queued") == 1, "the next one waits"
