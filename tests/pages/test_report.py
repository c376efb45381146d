"""The report, checked: every claim with its evidence, and links to our runs and studies."""

from core.config.presets import PRESETS
from core.published.claims import claims
from pages.parts.actions import key_for
from tests.made import made_run
from tests.pages.shown import links, texts


def page(app):
    return app.switch_page("pages/report.py").run()


def test_every_claim_is_shown_with_what_its_own_numbers_say(app):
    page(app)
    assert not app.exception
    shown = texts(app).replace("\\", "")
    for claim in claims():
        assert claim.text.split(",")[0] in shown
    assert "1.06 times" in shown and "91.02 ± 0.31" in shown
    assert "No finished run or study on this computer tests this yet." in shown


def test_an_untested_claim_offers_the_study_or_the_run_that_would_test_it(app):
    page(app)
    claim = next(claim for claim in claims() if claim.where.startswith("Figure 7"))
    app.button(key=key_for("test", claim.text)).click().run()
    assert app.session_state["study_figure"] == 7 and app.query_params["study"] == "new"
    page(app)
    claim = next(claim for claim in claims() if claim.where.startswith("Figure 6"))
    app.button(key=key_for("test", claim.text)).click().run()
    assert app.session_state["new_run"].config == PRESETS["report"].config


def test_our_best_run_is_linked(app, store):
    made_run(store, epochs=4, config=PRESETS["report"].config, name="like the report")
    page(app)
    assert "like the report" in links(app)
