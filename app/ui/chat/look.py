"""What the chat adds to the stylesheet."""

from app.ui.style.palette import Palette
from app.ui.style.tokens import CARD_RADIUS


def chat_sheet(palette: Palette) -> str:
    """Rules for the widgets of the chat page, by their object names."""
    quiet_field = "background: transparent; border: none; border-radius: 0; padding: 0;"
    return f"""
QTextBrowser#prose {{ {quiet_field} color: {palette.ink}; }}
QTextBrowser#quietprose {{ {quiet_field} color: {palette.quiet}; }}
QTextBrowser#prose:focus, QTextBrowser#quietprose:focus, QPlainTextEdit#code:focus, QPlainTextEdit#editor:focus {{
  border: none;
}}
QAbstractScrollArea#messages, QAbstractScrollArea#messages > QWidget {{ background: {palette.ground}; border: none; }}
QFrame#message {{ background: transparent; border: none; border-radius: {CARD_RADIUS}px; }}
QFrame#message:focus {{ background: {palette.card}; }}
QFrame#bubble {{ background: {palette.accent_soft}; border: none; border-radius: {CARD_RADIUS + 4}px; }}
QFrame#thoughts {{ background: transparent; border: none; }}
QFrame#codeblock {{ background: {palette.sunken}; border: none; border-radius: {CARD_RADIUS}px; }}
QPlainTextEdit#code {{ {quiet_field} color: {palette.ink}; }}
QPlainTextEdit#editor {{ {quiet_field} color: {palette.ink}; }}
QFrame#composer {{ background: {palette.card}; border: 1px solid {palette.edge}; border-radius: {CARD_RADIUS + 4}px; }}
QFrame#composer[focused="true"] {{ border: 1px solid {palette.accent}; }}
QFrame#chip {{ background: {palette.sunken}; border: none; border-radius: 6px; }}
QFrame#shelf {{ background: {palette.side}; border: none; border-right: 1px solid {palette.line}; }}
QFrame#sidepanel {{ background: {palette.side}; border: none; border-left: 1px solid {palette.line}; }}
QFrame#sidepanel QScrollArea, QFrame#sidepanel QWidget#canvas {{ background: transparent; }}
QFrame#chathead {{ background: transparent; border: none; border-bottom: 1px solid {palette.line}; }}
QPushButton#where {{
  background: transparent; border: 1px solid transparent; border-radius: 4px; padding: 0; min-height: 0;
  color: {palette.quiet}; text-align: left;
}}
QPushButton#where:hover:enabled {{ color: {palette.accent_ink}; text-decoration: underline; }}
QPushButton#where:focus {{ border: 1px solid {palette.accent}; }}
QPushButton#think:checked {{ background: {palette.accent_soft}; }}
QPushButton#think:!checked {{ color: {palette.quiet}; }}
QToolButton#send {{ background: {palette.accent}; border-radius: 8px; border: none; }}
QToolButton#send:hover {{ background: {palette.accent_hover}; }}
QToolButton#send:focus {{ border: 2px solid {palette.ink}; }}
QToolButton#send:disabled {{ background: {palette.sunken}; }}
QToolButton#toend {{ background: {palette.card}; border: 1px solid {palette.edge}; border-radius: 16px; }}
QToolButton#toend:focus {{ border: 2px solid {palette.accent}; }}
QFrame#undo {{ background: {palette.card}; border: 1px solid {palette.line}; border-radius: {CARD_RADIUS}px; }}
"""
