"""The status page in real browsers, of a gate that twistd runs."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.webdriver.common.keys import Keys

from tests.admin.page_case import BANNER, REFUSED, ROWS, STATE, StatusPageTestCase, in_thread
from tests.admin.pages import Chromium, accessibility_faults, firefox
from tests.cli.commands import corsgate

HOSTILE = (
    b"https://<img src=x onerror=document.title='gotcha'>",
    b'"><script>document.title="gotcha"</script>',
    b"javascript:document.title='gotcha'//",
    b"https://" + b"a" * 2000 + b".example",
)
"""Origins that no browser sends, but anybody can."""


class StatusPageTests:
    """What the page shows, in whichever browser."""

    async def test_values(self: Any) -> None:
        """An idle gate says how to make a request; what requests do to the values is seen."""
        page = await self.page()
        empty = await in_thread(page.wait, "document.querySelector('#routes-empty').innerText")
        self.assertIn("No requests yet. Try:", empty)
        self.assertIn(
            f"curl -i -H 'Origin: https://app.example' 'http://127.0.0.1:{self.port}/v1'", empty
        )
        self.assertEqual(await in_thread(page.run, REFUSED), [])
        self.assertIn(
            "Nothing needs attention", await in_thread(page.run, "document.body.innerText")
        )
        for _ in range(7):
            self.assertEqual(await self.call(), 200)
        await in_thread(page.wait, f"{ROWS}[0].includes('7 requests')")
        rate = "document.querySelector('#figures .figure').textContent"
        await in_thread(page.wait, f"/^[1-9.]/.test({rate})")
        await in_thread(page.wait, f"/[0-9] ms/.test({ROWS}[0])")
        await in_thread(page.wait, "document.querySelector('#routes-rows .uplot canvas') !== null")
        self.assertEqual(
            await in_thread(page.run, "document.querySelector('#routes-empty').innerText"), ""
        )
        # The requests are more than five seconds ago: nothing happens now.
        await in_thread(page.wait, f"{rate} === '0/s'")

    async def test_refused_call(self: Any) -> None:
        """A refused call is shown with what allows it: with that in the file it is allowed."""
        page = await self.page()
        asked = (
            (b"Access-Control-Request-Method", b"PUT"),
            (b"Access-Control-Request-Headers", b"x-app"),
        )
        self.assertEqual(await self.call(b"https://app2.example", b"OPTIONS", *asked), 403)
        (text,) = await in_thread(page.wait, f"{REFUSED}.length && {REFUSED}")
        self.assertIn("origin 'https://app2.example' is not allowed", text)
        self.assertIn("another host: https://app.example is allowed", text)
        toml = await in_thread(page.run, "document.querySelector('.refusal pre').textContent")
        keys = tomllib.loads(toml)["cors"]["app"]
        self.assertEqual(keys["allow_headers"], ["x-app"])
        fixed = Path(self.mktemp())
        old = '[cors.app]\nallow_origins = ["https://app.example"]\n'
        fixed.write_text(self.config.replace(old, f"{toml}\n"), "utf-8")
        call = ["--origin", "https://app2.example", "--method", "PUT", "--header", "x-app"]
        url = f"http://localhost:{self.port}/v1/documents"
        self.assertEqual(corsgate("check", str(fixed)).status, 0)
        self.assertEqual(corsgate("explain", "--config", str(self.file), *call, url).status, 1)
        self.assertEqual(corsgate("explain", "--config", str(fixed), *call, url).status, 0)
        # Its button fills the form and asks.
        await in_thread(page.run, "document.querySelector('.refusal .actions button').click()")
        said = await in_thread(
            page.wait, "document.querySelector('#explain-result:not([hidden])')?.innerText"
        )
        self.assertIn("Blocked", said)
        self.assertIn("PUT", said)

    async def test_copy(self: Any) -> None:
        """Without permission for the clipboard the copy button selects the text."""
        page = await self.page()
        await self.call(b"https://app2.example")
        await in_thread(page.wait, "document.querySelector('.refusal .copy') !== null")
        refuse = "navigator.clipboard.writeText = () => Promise.reject(new Error('denied'))"
        await in_thread(page.run, f"({refuse}, document.execCommand = () => false)")
        await in_thread(page.run, "document.querySelector('.refusal .copy').focus()")
        await in_thread(page.press, Keys.ENTER)
        await in_thread(
            page.wait, "document.querySelector('#said').textContent.startsWith('Selected')"
        )
        toml = await in_thread(page.run, "document.querySelector('.refusal pre').textContent")
        self.assertEqual(await in_thread(page.run, "getSelection().toString()"), toml)

    async def test_explain_by_keyboard(self: Any) -> None:
        """The form is filled, sent and read with nothing but the keyboard."""
        page = await self.page()
        focused = "document.activeElement.id"

        def visit() -> str:
            page.press(Keys.TAB)
            assert page.run("document.activeElement.className") == "skip"
            for _ in range(40):
                if page.run(focused) == "explain-origin":
                    break
                page.press(Keys.TAB)
            page.press(*"https://app.example", Keys.TAB, Keys.TAB, *"/v1/x", Keys.TAB)
            page.press(*"X-App", Keys.TAB)
            assert page.run(focused) == "explain-credentials", page.run(focused)
            page.press(Keys.SPACE, Keys.TAB, Keys.ENTER)
            return str(
                page.wait("document.querySelector('#explain-result:not([hidden])')?.innerText")
            )

        said = await in_thread(visit)
        url = f"http://localhost:{self.port}/v1/x"
        call = ["--origin", "https://app.example", "--header", "X-App", "--credentials", url]
        printed = json.loads(corsgate("explain", "--config", str(self.file), *call, "--json").out)
        for words in (
            printed["reason"],
            printed["toml"].strip(),
            *printed["near_misses"],
            *printed["advice"],
        ):
            self.assertIn(words, said.replace("\xa0", " "))
        for step in printed["steps"]:
            self.assertIn(step["title"], said)

    async def test_keyboard(self: Any) -> None:
        """The tab key gets to all that can be used, in the page's order, and shows where it is."""
        page = await self.page()
        await self.call(b"https://app2.example")
        await in_thread(page.wait, f"{REFUSED}.length")
        await in_thread(page.run, "document.querySelector('.refusal .actions button').click()")
        await in_thread(page.wait, "document.querySelector('#explain-result').innerText")
        await in_thread(page.run, "document.activeElement.blur()")
        await in_thread(page.run, "(document.body.tabIndex = -1, document.body.focus())")
        usable = (
            "[...document.querySelectorAll('a[href], button, input, textarea, summary,"
            ' [tabindex="0"]\')].filter((each) => each.checkVisibility())'
        )
        count = await in_thread(page.run, f"{usable}.length")
        self.assertGreater(count, 20)

        def visit() -> list[tuple[int, bool]]:
            found = []
            for _ in range(count):
                page.press(Keys.TAB)
                place = f"{usable}.indexOf(document.activeElement)"
                style = "getComputedStyle(document.activeElement).outlineStyle"
                found.append(tuple(page.run(f"[{place}, {style} !== 'none']")))
            return found

        self.assertEqual(await in_thread(visit), [(place, True) for place in range(count)])

    async def test_explain_fault(self: Any) -> None:
        """What is wrong with a question is shown."""
        page = await self.page()
        await in_thread(page.run, "document.querySelector('#explain-origin').value = 'http://a'")
        await in_thread(page.run, "document.querySelector('#explain-url').value = 'ftp://a'")
        await in_thread(page.run, "document.querySelector('#explain-form').requestSubmit()")
        said = await in_thread(
            page.wait, "document.querySelector('#explain-result [role=alert]')?.innerText"
        )
        self.assertIn("is not an http or https URL", said)

    async def test_lost(self: Any) -> None:
        """A gate that is gone is reported, and found again when it is back."""
        page = await self.page()
        await self.call()
        await in_thread(page.wait, f"{ROWS}[0].includes('1 request')")
        self.gate.signal("KILL")
        await self.gate.ended()
        banner = await in_thread(page.wait, BANNER)
        self.assertRegex(
            banner,
            r"The connection to the gate was lost at \d\d:\d\d:\d\d\. The values below are old\.",
        )
        self.assertEqual(await in_thread(page.run, STATE), "Lost")
        self.assertTrue(await in_thread(page.run, "document.documentElement.matches('.stale')"))
        self.assertIn(
            "lost", await in_thread(page.run, "document.querySelector('#said').textContent")
        )
        self.gate = await self.started()
        await in_thread(page.wait, f"{STATE} === 'Serving' && !{BANNER}")
        self.assertFalse(await in_thread(page.run, "document.documentElement.matches('.stale')"))
        # The counters of the new process begin at nothing.
        await in_thread(page.wait, f"{ROWS}[0].includes('0 requests')")

    async def test_hostile(self: Any) -> None:
        """Nothing that a client sends becomes more than text, or leads to another host."""
        page = await self.page()
        for origin in HOSTILE:
            self.assertEqual(await self.call(origin), 403)
        texts = await in_thread(page.wait, f"{REFUSED}.length === {len(HOSTILE)} && {REFUSED}")
        self.assertIn("<img src=x onerror=document.title='gotcha'>", "".join(texts))
        for number in range(len(HOSTILE)):
            button = f"document.querySelectorAll('.refusal .actions button')[{number}]"
            await in_thread(page.run, f"{button}.click()")
            box = "document.querySelector('#explain-result')"
            await in_thread(page.wait, f"{box}.innerText && !{box}.hasAttribute('aria-busy')")
        counts = await in_thread(
            page.run,
            "[document.querySelectorAll('main img, main script, main iframe').length,"
            " document.title.includes('gotcha'), violations, failures,"
            " document.documentElement.scrollWidth <= innerWidth]",
        )
        self.assertEqual(counts, [0, False, [], [], True])
        asked = map(urlsplit, await in_thread(page.requested))
        hosts = {url.netloc for url in asked if url.scheme in ("http", "https", "ws", "wss")}
        self.assertEqual(hosts, {f"localhost:{self.admin_port}"})

    async def test_quantiles(self: Any) -> None:
        """A quantile is interpolated within its bucket, of what was counted between two events."""
        page = await self.page()
        bounds = (0.1, 0.2, 0.4)
        old = {"count": 10, "buckets": [[bound, 10] for bound in bounds]}
        for new, quantile, expected in (
            ([10, 20, 20, 20], 0.5, 0.15),
            ([20, 20, 20, 20], 0.99, 0.099),
            ([15, 15, 20, 20], 0.75, 0.3),
            ([10, 10, 10, 20], 0.5, 0.4),  # Beyond the last bound: at least that.
            ([10, 10, 10, 10], 0.5, None),
        ):
            buckets = [list(pair) for pair in zip(bounds, new, strict=False)]
            later = {"count": new[-1], "buckets": buckets}
            arguments = ", ".join(map(json.dumps, (quantile, old, later)))
            module = f"import('/static/history.js').then((it) => it.quantile({arguments}))"
            found = await in_thread(page.run, module)
            if expected is None:
                self.assertIsNone(found)
            else:
                self.assertAlmostEqual(found, expected)

    async def test_units(self: Any) -> None:
        """Values have at most three digits that count, and a unit."""
        page = await self.page()
        for call, expected in (
            ("latency(0.01234)", "12.3 ms"),
            ("latency(0.9999)", "1,000 ms"),
            ("latency(2.5)", "2.5 s"),
            ("latency(0)", "0 ms"),
            ("rate(0)", "0/s"),
            ("rate(1234.5)", "1,235/s"),
            ("bytes(268435456)", "268 MB"),
            ("duration(59)", "59 s"),
            ("duration(3700)", "1 h 1 min"),
            ("duration(200000)", "2 days"),
            ("several(1, 'server')", "1 server"),
        ):
            module = f"import('/static/format.js').then((it) => it.{call})"
            self.assertEqual(await in_thread(page.run, module), expected)

    async def test_policy_is_in_force(self: Any) -> None:
        """The Content-Security-Policy stops markup and scripts that the page never makes itself."""
        page = await self.page()
        await in_thread(
            page.run,
            "document.body.append(Object.assign(document.createElement('img'), {src: 'http://localhost:1/x'}))",
        )
        await in_thread(page.wait, "violations.some((each) => each.startsWith('img-src'))")


class InChromium(StatusPageTests, StatusPageTestCase):
    """In Chromium."""

    start = Chromium

    async def test_accessible(self) -> None:
        """axe finds no violation: in light, in dark, at a phone's width, with a lost gate."""
        await self.call(b"https://app2.example")
        await self.call(b"https://app.example.evil.test")
        await self.call()
        for options in ({}, {"dark": True}, {"width": 360, "height": 740}):
            page = await self.page(**options)
            await in_thread(page.wait, f"{REFUSED}.length")
            await in_thread(page.run, "document.querySelector('.refusal .actions button').click()")
            await in_thread(page.wait, "document.querySelector('#explain-result').innerText")
            found = await in_thread(accessibility_faults, page)
            self.assertEqual(found, [], options)
            wide = "[document.documentElement.scrollWidth, innerWidth]"
            width, window = await in_thread(page.run, wide)
            self.assertLessEqual(width, window)
        self.gate.signal("KILL")
        await in_thread(page.wait, BANNER)
        self.assertEqual(await in_thread(accessibility_faults, page), [])


class InFirefox(StatusPageTests, StatusPageTestCase):
    """In Firefox."""

    start = staticmethod(firefox)


class ManyRoutes(StatusPageTestCase):
    """A gate with 2,000 routes."""

    start = Chromium

    def toml(self) -> str:
        """Return the gate's configuration."""
        more = (f'[routes."/many/{n}"]\nupstream = "box"\ncors = "app"\n' for n in range(1999))
        return super().toml() + "".join(more)

    async def test_bounded(self) -> None:
        """Only the busiest are drawn, until more are asked for; a filter finds the others."""
        page = await self.page()
        await self.call()
        await in_thread(page.wait, f"{ROWS}[0].includes('1 request')")
        self.assertEqual(len(await in_thread(page.run, ROWS)), 10)
        await in_thread(page.run, "document.querySelector('#routes-more').click()")
        self.assertEqual(len(await in_thread(page.run, ROWS)), 20)
        await in_thread(page.run, "document.querySelector('#routes-filter').focus()")
        await in_thread(page.press, *"/1234")
        (row,) = await in_thread(page.wait, f"{ROWS}.length === 1 && {ROWS}")
        self.assertIn("/many/1234", row)
        self.assertIn(
            "1 of 2,000",
            await in_thread(page.run, "document.querySelector('#routes-count').innerText"),
        )
