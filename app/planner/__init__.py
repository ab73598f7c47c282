"""PURE: memory, split, reasons. No I/O, no clock, no logging; imports schema only. The door is `plan.plan`."""
