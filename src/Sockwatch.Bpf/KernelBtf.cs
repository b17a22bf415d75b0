using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Sockwatch.Bpf;

/// <summary>A kernel's type information.</summary>
public sealed unsafe class KernelBtf : SafeHandleZeroOrMinusOneIsInvalid
{
    private KernelBtf(nint btf)
        : base(ownsHandle: true)
    {
        SetHandle(btf);
    }

    /// <summary>The running kernel's own.</summary>
    public static KernelBtf Load()
    {
        var btf = LibBpf.btf__load_vmlinux_btf();
        var errno = Marshal.GetLastPInvokeError();
        return btf != 0 ? new KernelBtf(btf) : throw new BpfException(nameof(LibBpf.btf__load_vmlinux_btf), errno);
    }

    /// <summary>That of a file: raw BTF, or an ELF file such as vmlinux with a section .BTF.</summary>
    public static KernelBtf Parse(string path)
    {
        BpfLog.Install();
        BpfLog.BeginCapture();
        var btf = LibBpf.btf__parse(path, null);
        var errno = Marshal.GetLastPInvokeError();
        var log = BpfLog.EndCapture();
        return btf != 0 ? new KernelBtf(btf) : throw new BpfException($"btf__parse({path})", errno, log);
    }

    public bool HasStruct(string name) => LibBpf.btf__find_by_name_kind(handle, name, LibBpf.BTF_KIND_STRUCT) > 0;

    /// <summary>Whether <c>fentry/name</c> names a function of the kernel itself.</summary>
    public bool HasFunction(string name) => LibBpf.btf__find_by_name_kind(handle, name, LibBpf.BTF_KIND_FUNC) > 0;

    /// <summary>Whether <c>tp_btf/name</c> can be attached to.</summary>
    public bool HasTracepoint(string name) =>
        LibBpf.btf__find_by_name_kind(handle, $"btf_trace_{name}", LibBpf.BTF_KIND_TYPEDEF) > 0;

    protected override bool ReleaseHandle()
    {
        LibBpf.btf__free(handle);
        return true;
    }
}
