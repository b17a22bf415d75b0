using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Sockwatch.Bpf;

/// <summary>The running kernel's type information.</summary>
public sealed class KernelBtf : SafeHandleZeroOrMinusOneIsInvalid
{
    private KernelBtf(nint btf)
        : base(ownsHandle: true)
    {
        SetHandle(btf);
    }

    public static KernelBtf Load()
    {
        var btf = LibBpf.btf__load_vmlinux_btf();
        var errno = Marshal.GetLastPInvokeError();
        return btf != 0 ? new KernelBtf(btf) : throw new BpfException(nameof(LibBpf.btf__load_vmlinux_btf), errno);
    }

    /// <summary>Whether <c>tp_btf/name</c> can be attached to.</summary>
    public bool HasTracepoint(string name) =>
        LibBpf.btf__find_by_name_kind(handle, $"btf_trace_{name}", LibBpf.BTF_KIND_TYPEDEF) > 0;

    protected override bool ReleaseHandle()
    {
        LibBpf.btf__free(handle);
        return true;
    }
}
