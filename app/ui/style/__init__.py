"""How Caravan looks: read this before writing a page.

THEME   `Theme(is_dark=None, has_motion=None)`, made once and handed to every page.
        theme.palette            the `Palette` in force; paint with it, never with a literal colour
        theme.changed            Signal(): light became dark or the other way; repaint or tint again
        theme.motion(ms)         the duration of a motion, 0 where the person wants none (`tokens.QUICK_MS`, `SLOW_MS`)
PALETTE grounds: side, ground (page), card, sunken, hover; lines: line, edge; text: ink, quiet; accent, accent_soft,
        accent_ink (text), amber, red, green with *_soft grounds; `palette.tone(Tone.TIGHT)` -> (ink, soft ground);
        `palette.device_colour(i)`; `text_on(ground, ...)` -> black or white; `palette.tinted(colour, part)`.
TOKENS  TITLE 20, HEADING 15, BODY 13, SMALL 11; UNIT 4, GAP 8, GROUP 16, EDGE 24; CARD_RADIUS 8, CONTROL_RADIUS 6.
FONTS   `ui_font(pixels, is_strong)` (tabular figures), `mono_font(pixels)`. Set fonts in code, never in the stylesheet:
        a rule there would undo them.
ICONS   `icon(name, colour, size=20)` -> QIcon from `resources/icons/NAME.svg`; tint again at `theme.changed`.
SHEET   `resources/style/caravan.qss`, one for all; `$name` is a palette field. It selects by dynamic properties
        (`role`, `tone`, `surface`, `pill`): change them with `app.ui.parts.labels.set_property`.

PARTS (`app.ui.parts`): Heading, Body, Quiet, Mono, Elided; Button(text, Role.PRIMARY, on_click), IconButton(theme,
"copy", tr("Copy"), on_click); Pill(text, Tone.GOOD); Card (its layout is `.rows`); StackedBar(theme, name)
.show_segments(memory_segments(...), total); EmptyState(theme, "chat", title, text, action, on_action); Banner(theme,
Tone.TIGHT, sentence, hint, action, on_action); Spinner(theme, name), Progress(name).show_part(0.4); `sizes` formats
numbers. Everything that takes words takes a `Phrase` (`tr("Ready on {pcs}", pcs=...)` of `app.ui.words`) or a `str`
that is data already; `app.ui.said.said(phrase)` gives the text for a Qt call.

        `app.ui.parts.dialog`: Dialog(title, parent) with `.rows` and `.buttons`; confirm(parent, title, text, action,
        on_yes). `app.ui.said.tip(text)` for every tooltip that holds a name. `app.ui.pc_colours.pc_colours(status)` ->
        the index of each PC's colour. `app.ui.showcase` has sample clusters; add windows to `app.ui.screenshots.shots`.

PAGES   `class ChatPage(Page)` with `__init__(self, desk: Desk, theme: Theme, parent: QWidget | None = None)` that calls
        `super().__init__(desk, theme, parent)`; override `shown(status)` (visible now, and after each change; None: no
        node), `leaving()`, `wish(about)`, `about_to_quit()`. The shell imports `app.ui.chat.page.ChatPage`,
        `app.ui.models.page.ModelsPage`, `app.ui.settings.page.SettingsPage`, and makes each at its first visit.
DESK    desk.status (Status | None), desk.link, desk.api_url, desk.paths; signals status_changed(Status), link_changed()
        desk.ask(work, on_done, on_error) -> handle       `work` is a coroutine function of a `NodeClient`
        desk.stream(work, on_item, on_end, on_error) -> handle      `work` is an async generator function of one
        desk.go(Wish.MODELS, "model id")                  send the person to another page or dialog
        `work` runs on the bridge's thread with a client of its own: it must not touch Qt. Callbacks come on the main
        thread: for `ask` exactly one of on_done(answer), on_error(ErrorInfo); for `stream` on_item(item) in order, then
        exactly one of on_end(), on_error(ErrorInfo). After `handle.cancel()` none comes, and the work is cancelled: a
        generator is closed, so its connection ends. Without on_error a failure becomes a notification. A callback may
        outlive its widget: cancel in `leaving` or keep the handle.

            def send(self) -> None:
                request = {"model": ..., "messages": [...]}
                self._answer = self.desk.stream(lambda client: client.chat(request), self._piece, self._end, self._fail)

TESTS   `tests/ui/desks.py`: `ScriptedErrands(client)` runs the work against any object with the methods it calls;
        `Desk(ScriptedErrands(client), paths)`, then `desk.take_status(status(...))` and the `until` fixture.
"""
