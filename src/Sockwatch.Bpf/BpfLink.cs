using Microsoft.Win32.SafeHandles;

namespace Sockwatch.Bpf;

/// <summary>A program at its hook. Disposing it takes the program off.</summary>
public sealed class BpfLink : SafeHandleZeroOrMinusOneIsInvalid
{
    internal BpfLink(nint link)
        : base(ownsHandle: true) => SetHandle(link);

    internal int Fd => LibBpf.bpf_link__fd(this);

    protected override bool ReleaseHandle() => LibBpf.bpf_link__destroy(handle) == 0;
}
