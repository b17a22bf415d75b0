using Microsoft.Win32.SafeHandles;

namespace Sockwatch.Bpf;

/// <summary>A program at its hook. Disposing it takes the program off.</summary>
public sealed class BpfLink : SafeHandleZeroOrMinusOneIsInvalid
{
    private readonly IDisposable? _hook;

    /// <param name="hook">What was made for this link alone, and goes after it.</param>
    internal BpfLink(nint link, IDisposable? hook)
        : base(ownsHandle: true)
    {
        SetHandle(link);
        _hook = hook;
    }

    internal int Fd => LibBpf.bpf_link__fd(this);

    /// <summary>A cgroup's program that somebody else took off, or whose cgroup is gone; the link itself stays.</summary>
    public unsafe bool IsDetachedFromCgroup
    {
        get
        {
            LibBpf.bpf_link_info info = default;
            var size = (uint)sizeof(LibBpf.bpf_link_info);
            return LibBpf.bpf_obj_get_info_by_fd(Fd, &info, &size) >= 0
                && info.type == LibBpf.BPF_LINK_TYPE_CGROUP && info.cgroup_id == 0;
        }
    }

    protected override bool ReleaseHandle()
    {
        var result = LibBpf.bpf_link__destroy(handle);
        _hook?.Dispose();
        return result == 0;
    }
}
