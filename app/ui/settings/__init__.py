"""The page Settings with Logs and About, and the first-run page.

page.py         SettingsPage: the list of sections, one of them open
changes.py      one change at a time to the node; what it refuses comes back to its field
rows.py         a setting on the screen: name, reason, control, undo, error
this_pc.py, models_section.py, engine_section.py, look_section.py, advanced_section.py, about_section.py
install_view.py the engine's install with its progress, shared with the first run
logs_section.py, log_view.py, log_model.py, log_source.py
first_run.py    FirstRunPage

Pure: fields.py, restart.py, engine_words.py, install_words.py, log_lines.py, redact.py, diagnostics.py, first_steps.py.
sample.py has pictures of all of it.
"""
