"""`python -m tests.guarded ...`: Caravan itself, with an alarm on its event loop: a blocking call of ours raises.

Putting the node together is exempt (`daemon.run._serve`): nothing is served before it is done; so are log lines.
"""

from blockbuster import BlockBuster

from app.__main__ import main

if __name__ == "__main__":
    alarm = BlockBuster("app")
    for function in alarm.functions.values():
        function.can_block_in("app/daemon/run.py", "_serve")
        # A line of a log is appended where it arises, as `logging` does: microseconds, and in order.
        function.can_block_in("app/system/rotating_file.py", "write_line")
        # The first pipe of a child on Windows looks for the temporary folder, once.
        function.can_block_in("asyncio/windows_utils.py", "pipe")
    alarm.activate()
    main()
