using System.Reflection;
using System.Runtime.InteropServices;

namespace Sockwatch.Bpf;

internal static unsafe partial class LibBpf
{
    static LibBpf() => NativeLibrary.SetDllImportResolver(typeof(LibBpf).Assembly, Resolve);

    /// <summary>Says what to install, where the runtime would list every path it tried.</summary>
    internal static nint Resolve(string library, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (library == LibC.Library)
        {
            return 0; // The runtime knows where that is.
        }

        if (NativeLibrary.TryLoad(library, assembly, searchPath, out var handle))
        {
            return handle;
        }

        throw new BpfException($"{library} is missing: install libbpf1 (Debian, Ubuntu) or libbpf (Fedora, Alpine).");
    }

    internal static string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";
}
