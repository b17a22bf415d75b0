namespace Sockwatch.Bpf;

/// <summary>One program of a <see cref="BpfObject"/>, which owns it.</summary>
public sealed unsafe class BpfProgram
{
    private readonly BpfObject _owner;
    private readonly nint _program;

    internal BpfProgram(BpfObject owner, nint program)
    {
        _owner = owner;
        _program = program;
        Name = LibBpf.Text(LibBpf.bpf_program__name(program));
        Section = LibBpf.Text(LibBpf.bpf_program__section_name(program));
    }

    public string Name { get; }

    /// <summary>The <c>SEC()</c> it was written with, such as <c>tp_btf/inet_sock_set_state</c>.</summary>
    public string Section { get; }

    public bool Autoload => LibBpf.bpf_program__autoload(Handle) != 0;

    /// <summary>-1 until loaded, and for a program that is not to be loaded.</summary>
    public int Fd => Math.Max(LibBpf.bpf_program__fd(Handle), -1);

    internal nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(_owner.IsClosed, _owner);
            return _program;
        }
    }

    /// <summary>What the kernel knows of the loaded program. The run numbers stay 0 while run-time stats are off.</summary>
    public BpfProgramInfo Info()
    {
        LibBpf.bpf_prog_info info = default;
        var size = (uint)sizeof(LibBpf.bpf_prog_info);
        BpfException.ThrowIfNegative(
            LibBpf.bpf_obj_get_info_by_fd(Fd, &info, &size), $"bpf_obj_get_info_by_fd({Name})");
        return new BpfProgramInfo(info.id, LibBpf.Text(info.name), info.run_time_ns, info.run_cnt, info.recursion_misses);
    }

    public override string ToString() => $"{Name} ({Section})";
}

/// <summary>The kernel's record of a program; it cuts names to 15 characters.</summary>
public readonly record struct BpfProgramInfo(
    uint Id, string KernelName, ulong RunTimeNs, ulong RunCount, ulong RecursionMisses)
{
    public TimeSpan RunTime => TimeSpan.FromTicks((long)(RunTimeNs / TimeSpan.NanosecondsPerTick));
}
