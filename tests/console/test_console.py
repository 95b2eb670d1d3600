"""The console by plain HTTP: signing in, reading, drafting, approving, and what it refuses."""

from __future__ import annotations

import asyncio
import html
import re

from tests.console.conftest import HARBOUR, LOTUS, NANSHAN, Browser, Consoles
from tests.trade.samples import MT700_FIELDS, mt, ubl
from tests.trade.town import PASSWORD

PDF = b"%PDF-1.7 fictitious"
FINAL = re.compile(r"Final in block (\d+)")


async def _draft_credit(browser: Browser, fields: str = MT700_FIELDS) -> str:
    """Draft a credit through the two steps of the form; the draft's path."""
    await browser.get("/acts/lc.issue")
    await browser.post("/acts/lc.issue", {"step": "read"}, files={"mt700": ("credit.fin", mt("700", fields).encode())})
    assert browser.status == 200, browser.page
    carried = re.findall(r'name="(mt700\.[a-z]+)" value="([^"]*)"', browser.page)
    await browser.post("/acts/lc.issue", {"step": "draft", **dict(carried)})
    assert re.fullmatch(r"/drafts/d-[0-9a-f]{12}", browser.url), browser.page
    return browser.url


async def _approve(consoles: Consoles, n: int, path: str) -> str:
    """Another officer approves and follows to final; the page."""
    checker = await consoles.browser(n, "chi")
    await checker.get(path)
    digest = re.search(r'name="hash" value="(0x[0-9a-f]{64})"', checker.page)
    assert digest, checker.page
    await checker.post(f"{path}/approval", {"hash": digest.group(1)})
    assert checker.url == path, checker.page
    async with asyncio.timeout(30):
        while "Submitted: waiting" in checker.page:
            await asyncio.sleep(0.05)
            await checker.get(path)
    assert FINAL.search(checker.page), checker.page
    return checker.page


async def _issue(consoles: Consoles) -> str:
    maker = await consoles.browser(LOTUS, "may")
    page = await _approve(consoles, LOTUS, await _draft_credit(maker))
    found = re.search(r"/credits/(0x[0-9a-f]{40})", page)
    assert found
    return found.group(1)


async def test_sign_in_draft_approve_and_follow_to_final(consoles: Consoles) -> None:
    """From sign-in to "Final in block N": the message is read and shown first, and another officer approves."""
    maker = await consoles.browser(LOTUS, "may")
    assert "Worklist" in maker.page
    assert "DEMO" in maker.page
    assert "Lotus Bank" in maker.page
    await maker.get("/acts/lc.issue")
    await maker.post("/acts/lc.issue", {"step": "read"}, files={"mt700": ("a.fin", mt("700", MT700_FIELDS).encode())})
    assert "No obstacle" in maker.page
    assert "Terms that the contract does not enforce" in maker.page
    path = await _draft_credit(maker)
    assert "USD 125,000.50" in maker.page
    assert "Another officer must approve" in maker.page
    page = await _approve(consoles, LOTUS, path)
    credit = re.search(r"/credits/(0x[0-9a-f]{40})", page)
    assert credit
    await maker.get(f"/credits/{credit.group(1)}")
    for text in ("IMP-2026-0017", "Nanshan Bank to advise", "30 Apr 2026", "Timeline"):
        assert text in maker.page
    for query, there in (("", True), ("?q=imp-2026", True), ("?q=nanshan+usd+advise", True), ("?q=eur", False)):
        await maker.get(f"/credits{query}")
        assert ("IMP-2026-0017" in maker.page) is there, query


async def test_session_cookie_and_headers(consoles: Consoles) -> None:
    """The session is HttpOnly and SameSite=Strict, pages are not stored, framed, or fed from elsewhere."""
    browser = await consoles.browser(LOTUS)
    await browser.get("/sign-in")
    await browser.post("/sign-in", {"name": "may", "password": PASSWORD}, follow=False)
    assert browser.status == 303
    cookies = browser.headers.getall("Set-Cookie")  # type: ignore[attr-defined]
    session = next(each for each in cookies if not each.startswith("praya_session") or "_in=" not in each)
    assert re.match(r"praya_session_[0-9a-f]{8}=", session)
    assert "HttpOnly" in session
    assert "SameSite=Strict" in session
    await browser.get("/worklist")
    assert browser.headers["Cache-Control"] == "no-store"
    policy = browser.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert browser.headers["X-Content-Type-Options"] == "nosniff"
    for wrong in ("<script>", " style=", " onclick=", "<style", "http://", "https://"):
        assert wrong not in browser.page


async def test_signing_out_ends_the_session_on_the_server(consoles: Consoles) -> None:
    """The cookie of before opens nothing any more; a page asked for without a session leads to sign-in and back."""
    browser = await consoles.browser(LOTUS, "may")
    kept = {cookie.key: cookie.value for cookie in browser.client.session.cookie_jar}
    await browser.sign_out()
    assert browser.url == "/sign-in"
    browser.client.session.cookie_jar.update_cookies(kept)
    await browser.get("/credits?all=1")
    assert browser.url == "/sign-in"
    assert 'name="after" value="/credits?all=1"' in browser.page
    await browser.post("/sign-in", {"name": "may", "password": PASSWORD, "after": "/credits?all=1"})
    assert browser.url == "/credits"
    other = await consoles.browser(LOTUS)
    for away in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        await other.get("/sign-in")
        await other.post("/sign-in", {"name": "may", "password": PASSWORD, "after": away})
        assert other.url == "/worklist"


async def test_wrong_passwords_are_told_alike_and_braked(consoles: Consoles) -> None:
    """An unknown name and a wrong password get the same words; after ten the brake holds even for the right one."""
    browser = await consoles.browser(LOTUS)
    for name in ("may", "nobody") * 5:
        await browser.sign_in(name, "wrong password")
        assert browser.status == 403
        assert "name or password is wrong" in browser.page
    await browser.sign_in("may")
    assert browser.status == 429


async def test_every_unsafe_form_needs_the_sessions_token(consoles: Consoles) -> None:
    """Without the token, with another session's, or from another origin, nothing is done."""
    maker = await consoles.browser(LOTUS, "may")
    path = await _draft_credit(maker)
    checker = await consoles.browser(LOTUS, "chi")
    digest = re.search(r"0x[0-9a-f]{64}", (await checker.get(path)).split("Hash that is approved")[1])
    assert digest
    fields = {"hash": digest.group(0)}
    good = checker.csrf
    for wrong in ("", "0" * 64, maker.csrf):
        await checker.post(f"{path}/approval", fields, csrf=wrong)
        assert checker.status == 403, wrong
    for headers in ({"Origin": "http://127.0.0.1:1"}, {"Sec-Fetch-Site": "cross-site"}):
        await checker.post(f"{path}/approval", fields, csrf=good, headers=headers)
        assert checker.status == 403, headers
    for target in (
        "/sign-out",
        "/acts/lc.issue",
        f"{path}/rejection",
        f"{path}/revision",
        f"/documents/0x{'00' * 32}/verification",
    ):
        await checker.post(target, {}, csrf="0" * 64)
        assert checker.status == 403, target
    fresh = await consoles.browser(LOTUS)
    await fresh.post("/sign-in", {"name": "may", "password": PASSWORD}, csrf=good)
    assert fresh.status == 403
    assert consoles.town.desks[LOTUS].service.draft_status(path.split("/")[-1])["state"] == "pending"


async def test_the_same_person_and_a_wrong_role_are_refused(consoles: Consoles) -> None:
    """Who drafted cannot approve, whatever is posted; a viewer can read and can neither draft nor approve."""
    service = consoles.town.desks[LOTUS].service
    service.users.add("vic", PASSWORD, ["viewer"])
    maker = await consoles.browser(LOTUS, "may")
    path = await _draft_credit(maker)
    digest = service.draft_status(path.split("/")[-1])["hash"]
    assert "Approve and send" not in maker.page
    await maker.post(f"{path}/approval", {"hash": digest})
    assert maker.status == 403
    assert "another person" in maker.page
    viewer = await consoles.browser(LOTUS, "vic")
    for page in ("/worklist", "/credits", path):
        await viewer.get(page)
        assert viewer.status == 200
    await viewer.post(f"{path}/approval", {"hash": digest})
    assert viewer.status == 403
    await viewer.get("/acts/lc.issue")
    assert viewer.status == 403
    await viewer.get("/worklist")
    await viewer.post("/acts/lc.issue", {"step": "draft", "mt700": mt("700", MT700_FIELDS)})
    assert viewer.status == 403
    assert service.draft_status(path.split("/")[-1])["state"] == "pending"


async def test_a_draft_that_changed_cannot_be_approved(consoles: Consoles) -> None:
    """The checker's page carries the hash that it showed; after the maker writes anew, that hash opens nothing."""
    maker = await consoles.browser(LOTUS, "may")
    path = await _draft_credit(maker)
    checker = await consoles.browser(LOTUS, "chi")
    await checker.get(path)
    old = re.search(r'name="hash" value="(0x[0-9a-f]{64})"', checker.page)
    assert old
    await maker.get(f"{path}/revision")
    await maker.post(f"{path}/revision", {"step": "draft", "mt700": mt("700", MT700_FIELDS), "set": "48=10"})
    assert "revision 2" in maker.page, maker.page
    await checker.post(f"{path}/approval", {"hash": old.group(1)})
    assert checker.status == 422
    assert "has changed" in checker.page


async def test_a_counterpartys_text_is_shown_as_text(consoles: Consoles) -> None:
    """Markup in documents' names, discrepancies and instructions comes out escaped, and files only as downloads."""
    evil = "<script>alert(1)</script>"
    credit = await _issue(consoles)
    exporter, importer = consoles.town.desks[NANSHAN], consoles.town.desks[LOTUS]
    files = [{"name": evil, "media_type": "text/html", "text": evil}]
    await exporter.do("lc.present", credit=credit, amount="1000.00", documents=files)
    await importer.do(
        "lc.refuse", credit=credit, presentation=0, discrepancies=[evil, '"><img src=x>'], disposal="HOLD"
    )
    reader = await consoles.browser(NANSHAN, "may")
    await reader.get(f"/credits/{credit}")
    assert html.escape(evil) in reader.page
    assert "<script>alert" not in reader.page
    assert "<img" not in reader.page
    anchor = next(each["anchor"] for each in exporter.service.documents(credit) if each["name"] == evil)
    await reader.get(f"/documents/{anchor}")
    assert html.escape(evil) in reader.page
    assert "<script>alert" not in reader.page
    await reader.get(f"/documents/{anchor}/download")
    assert reader.body == evil.encode()
    assert reader.headers["Content-Type"] == "application/octet-stream"
    assert reader.headers["Content-Disposition"].startswith("attachment;")
    assert "<" not in reader.headers["Content-Disposition"]
    assert "sandbox" in reader.headers["Content-Security-Policy"]
    await reader.get("/acts/lc.refuse?credit=%22%3E%3Cscript%3E")
    assert "<script>" not in reader.page


async def test_another_banks_sealed_texts_are_not_found(consoles: Consoles) -> None:
    """A bank that is no party reads the chain's facts, and gets 404 for terms, notices and documents."""
    credit = await _issue(consoles)
    exporter, importer = consoles.town.desks[NANSHAN], consoles.town.desks[LOTUS]
    await exporter.do("lc.present", credit=credit, amount="1000.00", documents=[{"name": "a", "text": "A"}])
    await importer.do("lc.refuse", credit=credit, presentation=0, discrepancies=["NOT SIGNED"], disposal="HOLD")
    anchor = exporter.service.documents(credit)[0]["anchor"]
    paths = (f"/credits/{credit}/mt700", f"/credits/{credit}/presentations/0/mt734", f"/documents/{anchor}/download")
    party, rival = await consoles.browser(NANSHAN, "may"), await consoles.browser(HARBOUR, "may")
    for path in paths:
        await party.get(path)
        assert party.status == 200, path
        await rival.get(path)
        assert rival.status == 404, path
    await rival.get(f"/credits/{credit}")
    assert rival.status == 200
    for word in ("IMP-2026-0017", "LOTUS TRADING", "NOT SIGNED", "DESK LAMPS"):
        assert word not in rival.page
    await rival.get(f"/documents/{anchor}")
    assert rival.status == 404
    for path in (
        "/credits/0x1234",
        f"/credits/0x{'00' * 20}",
        "/drafts/d-none",
        "/acts/lc.steal",
        "/static/../door.py",
    ):
        await rival.get(path)
        assert rival.status == 404, path


async def test_present_upload_refuse_and_the_clock(consoles: Consoles) -> None:
    """Files are uploaded, the examining bank sees its day of the five, refuses, and both banks see the notice."""
    credit = await _issue(consoles)
    town = consoles.town
    town.stand_at(2026, 4, 8)
    maker = await consoles.browser(NANSHAN, "may")
    await maker.get(f"/acts/lc.present?credit={credit}")
    await maker.post(
        "/acts/lc.present",
        {"credit": credit, "amount": "1000.00", "shipment_date": "2026-04-01", "step": "draft"},
        files={"documents": ("../../bill of lading.pdf", PDF)},
    )
    assert "bill of lading.pdf" in maker.page, maker.page
    assert "../" not in maker.page
    await _approve(consoles, NANSHAN, maker.url)
    examiner = await consoles.browser(LOTUS, "may")
    assert "Day 0 of 5 · due Wed 15 Apr 17:00 HKT" in examiner.page
    assert "examine presentation 0" in examiner.page
    town.stand_at(2026, 4, 13)
    await examiner.get("/worklist")
    assert "Day 3 of 5 · due Wed 15 Apr 17:00 HKT" in examiner.page
    town.stand_at(2026, 4, 15)
    await examiner.get(f"/credits/{credit}")
    assert "Day 5 of 5" in examiner.page
    anchor = re.search(r"/documents/(0x[0-9a-f]{64})", examiner.page)
    assert anchor
    await examiner.get(f"/documents/{anchor.group(1)}")
    assert "bill of lading.pdf" in examiner.page
    for body, words in ((PDF, "is this document, byte for byte"), (b"%PDF-other", "is not this document")):
        await examiner.post(f"/documents/{anchor.group(1)}/verification", files={"file": ("x.pdf", body)})
        assert words in examiner.page
    await examiner.get(f"/acts/lc.refuse?credit={credit}&presentation=0")
    await examiner.post(
        "/acts/lc.refuse",
        {
            "credit": credit,
            "presentation": "0",
            "discrepancies": "NOT SIGNED\nLATE",
            "disposal": "HOLD",
            "step": "draft",
        },
        files={},
    )
    assert "refuse presentation 0: 2 discrepancies" in examiner.page, examiner.page
    assert ":77J:1. NOT SIGNED" in examiner.page
    await _approve(consoles, LOTUS, examiner.url)
    await maker.get(f"/credits/{credit}")
    assert "NOT SIGNED" in maker.page
    await maker.get(f"/credits/{credit}/presentations/0/mt734")
    assert ":77B:HOLD" in maker.page


async def test_errors_are_listed_and_lead_to_their_fields(consoles: Consoles) -> None:
    """A refused form comes back with what was typed, an error summary with links, and nothing stored."""
    maker = await consoles.browser(LOTUS, "may")
    await maker.get("/acts/lc.issue")
    await maker.post("/acts/lc.issue", {"step": "draft"}, files={})
    assert maker.status == 422
    assert 'href="#f-mt700"' in maker.page
    assert 'id="f-mt700"' in maker.page
    expired = mt("700", MT700_FIELDS.replace("260430", "260304"))
    await maker.post("/acts/lc.issue", {"step": "read", "mt700": expired}, files={})
    assert "Obstacles" in maker.page
    assert "EXPIRED" in maker.page
    await maker.post("/acts/lc.issue", {"step": "draft", "mt700": expired}, files={})
    assert maker.status == 422
    assert "IMP-2026-0017" in maker.page
    wrong = {"step": "draft", "set": "no tag here"}
    await maker.post("/acts/lc.issue", wrong, files={"mt700": ("kept.fin", mt("700", MT700_FIELDS).encode())})
    assert maker.status == 422
    assert 'href="#f-set"' in maker.page
    assert "kept.fin" in maker.page
    odd = mt("700", MT700_FIELDS.replace(":49:WITHOUT", ":49:PERHAPS"))
    await maker.post("/acts/lc.issue", {"step": "read", "mt700": odd}, files={})
    assert "Strict reading refuses" in maker.page, maker.page
    assert "Deviations from the standard" in maker.page
    await maker.post("/acts/lc.issue", {"step": "read", "mt700": "no message"}, files={})
    assert maker.status == 422
    assert consoles.town.desks[LOTUS].service.drafts() == []


async def test_uploads_are_bounded_and_known_by_their_bytes(consoles: Consoles) -> None:
    """Too large, too many, empty or of a strange kind: refused with the bound, and the console goes on."""
    from node.console import uploads

    credit = await _issue(consoles)
    maker = await consoles.browser(NANSHAN, "may")
    await maker.get("/acts/lc.present")
    fields = {"credit": credit, "amount": "1.00", "step": "draft"}
    big = b"%PDF-" + bytes(uploads.FILE_BYTES_MAX)
    await maker.post("/acts/lc.present", fields, files={"documents": ("big.pdf", big)})
    assert maker.status == 413
    assert f"{uploads.FILE_BYTES_MAX:,}" in maker.page
    await maker.get("/acts/lc.present")
    await maker.post("/acts/lc.present", fields, files={"documents": ("fits.pdf", b"%PDF-" + bytes(8 * 1024 * 1024))})
    assert "fits.pdf" in maker.page, maker.page
    for name, body, words in (("a.exe", b"MZ\x90\x00\x03", "not accepted"), ("empty.pdf", b"", "is empty")):
        await maker.get("/acts/lc.present")
        await maker.post("/acts/lc.present", fields, files={"documents": (name, body)})
        assert maker.status == 422, name
        assert words in maker.page
    await maker.get("/worklist")
    assert maker.status == 200
    stranger = await consoles.browser(NANSHAN)
    await stranger.get("/sign-in")
    await stranger.post("/sign-in", {"name": "x"}, files={"file": ("a.pdf", PDF)})
    assert stranger.status == 422
    await stranger.get("/sign-in")
    await stranger.post("/sign-in", {"name": "x" * uploads.PLAIN_FORM_BYTES_MAX})
    assert stranger.status == 413


async def test_an_invoice_from_file_to_offer(consoles: Consoles) -> None:
    """UBL is read and shown, registered, offered on; the registry's answer stands in the draft."""
    maker = await consoles.browser(NANSHAN, "may")
    await maker.get("/acts/invoice.register")
    await maker.post("/acts/invoice.register", {"step": "read"}, files={"ubl": ("invoice.xml", ubl())})
    assert "INV-0042" in maker.page, maker.page
    assert "USD 88,000.50" in maker.page
    carried = dict(re.findall(r'name="(ubl\.[a-z]+)" value="([^"]*)"', maker.page))
    await maker.post("/acts/invoice.register", {"step": "draft", "buyer_bank": "Lotus Bank", **carried}, files={})
    assert "Duplicate check" in maker.page, maker.page
    page = await _approve(consoles, NANSHAN, maker.url)
    found = re.search(r"/invoices/(0x[0-9a-f]{40})", page)
    assert found
    invoice = found.group(1)
    await maker.get(f"/invoices/{invoice}")
    assert "Lotus Bank to record the buyer&#39;s acceptance" in maker.page
    await maker.get(f"/invoices/{invoice}/file")
    assert maker.body == ubl()
    await maker.get(f"/acts/invoice.offer?invoice={invoice}")
    await maker.post(
        "/acts/invoice.offer",
        {"invoice": invoice, "rate_bps": "600", "advance_bps": "8000", "step": "draft"},
        files={},
    )
    await _approve(consoles, NANSHAN, maker.url)
    await maker.get(f"/invoices/{invoice}")
    assert "6.00%" in maker.page
    rival = await consoles.browser(HARBOUR, "may")
    await rival.get(f"/invoices/{invoice}")
    assert "INV-0042" not in rival.page
    await rival.get(f"/invoices/{invoice}/file")
    assert rival.status == 404


async def test_a_rejected_draft_is_not_sent(consoles: Consoles) -> None:
    """The checker gives a reason; the maker sees it; the draft cannot be approved any more."""
    maker = await consoles.browser(LOTUS, "may")
    path = await _draft_credit(maker)
    checker = await consoles.browser(LOTUS, "chi")
    await checker.get(path)
    await checker.post(f"{path}/rejection", {"reason": ""})
    assert checker.status == 422
    await checker.post(f"{path}/rejection", {"reason": "wrong applicant"})
    await maker.get(path)
    assert "Rejected: wrong applicant" in maker.page
    assert "Approve and send" not in maker.page


async def test_every_page_opens_and_is_whole(consoles: Consoles) -> None:
    """Every section and every act's form renders, with a language, a skip link and labelled inputs."""
    await _issue(consoles)
    maker = await consoles.browser(LOTUS, "may")
    acts = re.findall(r'href="(/acts/[a-z.-]+)"', await maker.get("/acts"))
    assert len(acts) > 25
    sections = ["/worklist", "/credits?all=1", "/invoices", "/documents", "/drafts", "/drafts?state=final", "/members"]
    for path in [*sections, *acts]:
        page = await maker.get(path)
        assert maker.status == 200, path
        assert '<html lang="en">' in page
        assert 'href="#main"' in page
        assert "<caption" in page or "/acts" in path
        for name in re.findall(r'<(?:input|select|textarea)[^>]* id="([^"]+)"', page):
            assert f'for="{name}"' in page, (path, name)
    for name in ("console.css", "follow.js", "mark.svg"):
        await maker.get(f"/static/{name}")
        assert maker.status == 200
        assert "immutable" in maker.headers["Cache-Control"]
