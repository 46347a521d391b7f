/* A DLL that takes symbols of kernel32 and the C runtime and gives two of its own, without zig's start code. */
__declspec(dllimport) void *CreateThread(void *, unsigned long long, unsigned long (*)(void *), void *, unsigned long, unsigned long *);
__declspec(dllimport) unsigned long WaitForSingleObject(void *, unsigned long);
__declspec(dllimport) int atoi(const char *);

int _fltused;

int DllMainCRTStartup(void *instance, unsigned long reason, void *reserved)
{
    (void)instance, (void)reason, (void)reserved;
    return 1;
}

static unsigned long run(void *argument) { return argument != 0; }

__declspec(dllexport) int fixture_abi_version(void) { return 1; }

__declspec(dllexport) int fixture(double x, char *buffer)
{
    void *thread = CreateThread(0, 0, run, buffer, 0, 0);
    if (thread == 0 || WaitForSingleObject(thread, 0xffffffff) != 0)
        return 0;
    return (int)x + atoi(buffer);
}
