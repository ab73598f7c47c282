/* A netsh.exe that does nothing but write its command line, as UTF-8, at the end of C:\netsh.log. Wine's own does
   nothing and tells nobody. */
#include <windows.h>

int wmain(void) {
    char line[8192];
    DWORD written;
    int length = WideCharToMultiByte(CP_UTF8, 0, GetCommandLineW(), -1, line, sizeof line, NULL, NULL);
    HANDLE log = CreateFileW(L"C:\\netsh.log", FILE_APPEND_DATA, 0, NULL, OPEN_ALWAYS, 0, NULL);
    if (length < 1 || log == INVALID_HANDLE_VALUE) return 2;
    line[length - 1] = '\n';
    WriteFile(log, line, length, &written, NULL);
    CloseHandle(log);
    return 0;
}
