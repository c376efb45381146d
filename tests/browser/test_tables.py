"""The tables of the app: only the app's own buttons export them."""


def test_the_toolbar_of_a_table_offers_no_export_that_skips_the_apps_own(lab, chromium):
    page = chromium.new_page()
    page.goto(f"{lab.url}/leaderboard")
    table = page.get_by_test_id("stDataFrame")
    table.wait_for()
    table.hover()
    page.get_by_label("Search").first.wait_for()
    assert not page.get_by_label("Download as CSV").is_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export leaderboard (CSV)").click()
    assert download.value.path().read_bytes().startswith(b"\xef\xbb\xbfname,")
    page.close()
