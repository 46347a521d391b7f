/* The smallest library of any system. What goes before the function is what a DLL of 32 bits must have without a runtime. */
#ifdef _WIN32
int answer(void);
int _tls_index;
int __stdcall _DllMainCRTStartup(void *module, unsigned reason, void *reserved) { return answer(); }
#endif

int answer(void) { return 42; }
