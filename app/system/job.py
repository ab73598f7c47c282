"""Windows: no child outlives the node. The node enters a Job Object that dies with it and takes all children along.

Contract of the calls: Microsoft, "Job Objects" and "Nested Jobs". The one handle of the job is ours and not
inheritable, so the system closes it when this process ends in any way, and closing it kills what is inside.
"""

import sys

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _EXTENDED_LIMIT_INFORMATION = 9
    _KILL_ON_JOB_CLOSE = 0x2000

    class _BasicLimits(ctypes.Structure):
        _fields_ = (
            ("PerProcessUserTimeLimit", wintypes.LARGE_INTEGER),
            ("PerJobUserTimeLimit", wintypes.LARGE_INTEGER),
            ("LimitFlags", wintypes.DWORD),
            ("MinimumWorkingSetSize", ctypes.c_size_t),
            ("MaximumWorkingSetSize", ctypes.c_size_t),
            ("ActiveProcessLimit", wintypes.DWORD),
            ("Affinity", ctypes.c_size_t),
            ("PriorityClass", wintypes.DWORD),
            ("SchedulingClass", wintypes.DWORD),
        )

    class _ExtendedLimits(ctypes.Structure):
        _fields_ = (
            ("BasicLimitInformation", _BasicLimits),
            ("IoInfo", ctypes.c_ulonglong * 6),
            ("ProcessMemoryLimit", ctypes.c_size_t),
            ("JobMemoryLimit", ctypes.c_size_t),
            ("PeakProcessMemoryUsed", ctypes.c_size_t),
            ("PeakJobMemoryUsed", ctypes.c_size_t),
        )

    class KillOnCloseJob:
        """Owner of the job's handle: keep it as long as the process lives. There is no way out of the job."""

        def __init__(self) -> None:
            self._kernel = _kernel()
            self._handle = _checked(self._kernel.CreateJobObjectW(None, None))
            self._limit()
            _checked(self._kernel.AssignProcessToJobObject(self._handle, self._kernel.GetCurrentProcess()))

        def _limit(self) -> None:
            limits = _ExtendedLimits()
            limits.BasicLimitInformation.LimitFlags = _KILL_ON_JOB_CLOSE
            _checked(
                self._kernel.SetInformationJobObject(
                    self._handle, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
                )
            )

    def _kernel() -> ctypes.WinDLL:
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.CreateJobObjectW.argtypes = (wintypes.LPVOID, wintypes.LPCWSTR)
        kernel.CreateJobObjectW.restype = wintypes.HANDLE
        kernel.SetInformationJobObject.argtypes = (wintypes.HANDLE, ctypes.c_int, wintypes.LPVOID, wintypes.DWORD)
        kernel.SetInformationJobObject.restype = wintypes.BOOL
        kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
        kernel.AssignProcessToJobObject.restype = wintypes.BOOL
        kernel.GetCurrentProcess.argtypes = ()
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        return kernel

    def _checked(result: int | None) -> int:
        if not result:
            raise ctypes.WinError(ctypes.get_last_error())
        return result

    def enter_kill_on_close_job() -> KillOnCloseJob | None:
        """Put this process into a new job that kills everything in it when this process ends.

        Call once, before the first child; a job around us already is no obstacle (nested jobs, Windows 8 and later).
        Keep the result for the life of the process: dropping it does not close the handle. Raises OSError.
        """
        return KillOnCloseJob()

else:

    class KillOnCloseJob:
        """Does not exist here: children die with the thread that started them (`app.system.spawn`)."""

    def enter_kill_on_close_job() -> KillOnCloseJob | None:
        """Nothing to do here; returns None."""
        return None
