"""The report, checked: every claim with its evidence, and links to our runs and studies."""

from core.config.presets import PRESETS
from core.published.claims import claims
from tests.made import made_run
from tests.pages.shown import links, texts


def page(app):
    return app.run().switch_page("pages/report.py").run()


def test_every_claim_is_shown_with_what_its_own_numbers_say(app):
    page(app)
    assert not app.exception
    shown = texts(app).replace("\\", "")
    for claim in claims():
        assert claim.text.split(",")[0] in shown
    assert "1.06 times" in shown and "91.02 ± 0.31" in shown
    assert "No finished run or study on this computer tests this yet." in shown
    assert len(app.dataframe[0].value) == 28


def test_our_best_run_is_linked(app, store):
    made_run(store, epochs=4, config=PRESETS["report"].config, name="like the report")
    page(app)
    assert "like the report" in links(app)
