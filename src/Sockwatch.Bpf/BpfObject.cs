using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Sockwatch.Bpf;

/// <summary>
/// The programs and maps of one .bpf.o file. Opened, then adjusted (which programs, how big, which constants), then
/// loaded, then attached; a failed load ends its use. Owns everything handed out except links and ring buffers.
/// </summary>
public sealed unsafe class BpfObject : SafeHandleZeroOrMinusOneIsInvalid
{
    private readonly Dictionary<string, BpfProgram> _programs = [];
    private readonly Dictionary<string, MappedMemory> _sections = [];
    private readonly string _name;
    private bool _isLoaded;

    private BpfObject(nint obj, string path)
        : base(ownsHandle: true)
    {
        SetHandle(obj);
        _name = Path.GetFileName(path);
        for (var p = LibBpf.bpf_object__next_program(this, 0); p != 0; p = LibBpf.bpf_object__next_program(this, p))
        {
            var program = new BpfProgram(this, p);
            _programs.Add(program.Name, program);
        }
    }

    /// <summary>In the order of the file.</summary>
    public IReadOnlyCollection<BpfProgram> Programs => _programs.Values;

    /// <summary>Every map, with the sizes it has or will be created with; also those that hold global variables.</summary>
    public IReadOnlyList<BpfMapInfo> Maps
    {
        get
        {
            var maps = new List<BpfMapInfo>();
            for (var m = LibBpf.bpf_object__next_map(this, 0); m != 0; m = LibBpf.bpf_object__next_map(this, m))
            {
                maps.Add(BpfMapInfo.Of(m));
            }

            return maps;
        }
    }

    /// <param name="path">A .bpf.o file.</param>
    /// <param name="kernelBtf">Kernel type information for a kernel that carries none; null for the kernel's own.</param>
    /// <param name="withoutFetchingAtomics">
    /// For kernels before 5.12, which refuse a program for an atomic operation with a result even where it is never reached:
    /// each is made an operation that does nothing.
    /// </param>
    public static BpfObject Open(string path, string? kernelBtf = null, bool withoutFetchingAtomics = false)
    {
        BpfLog.Install();
        var options = new LibBpf.bpf_object_open_opts
        {
            sz = (nuint)sizeof(LibBpf.bpf_object_open_opts),
            object_name = Marshal.StringToCoTaskMemUTF8(Path.GetFileName(path).Split('.')[0]),
            btf_custom_path = Marshal.StringToCoTaskMemUTF8(kernelBtf),
        };
        var image = ReadImage(path);
        if (withoutFetchingAtomics)
        {
            ProgramImage.BlankFetchingAtomics(image);
        }

        nint obj;
        int errno;
        BpfLog.BeginCapture();
        fixed (byte* bytes = image)
        {
            // libbpf takes a copy of all that it needs.
            obj = LibBpf.bpf_object__open_mem(bytes, (nuint)image.Length, &options);
            errno = Marshal.GetLastPInvokeError();
        }

        var log = BpfLog.EndCapture();
        Marshal.FreeCoTaskMem(options.object_name);
        Marshal.FreeCoTaskMem(options.btf_custom_path);
        return obj != 0
            ? new BpfObject(obj, path)
            : throw new BpfException($"bpf_object__open({path})", errno, log);
    }

    private static byte[] ReadImage(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new BpfException($"open({path})", LibC.ENOENT);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new BpfException($"{path} cannot be read: {failure.Message}", failure);
        }
    }

    /// <summary>Before load: whether the program goes into the kernel. Its maps are created either way.</summary>
    public void SetAutoload(string program, bool autoload) => BpfException.ThrowIfNegative(
        LibBpf.bpf_program__set_autoload(Program(program).Handle, autoload ? (byte)1 : (byte)0),
        $"bpf_program__set_autoload({program})");

    /// <summary>Before load: whether the map is created, for kinds of map this kernel does not have.</summary>
    public void SetAutocreate(string map, bool autocreate) => BpfException.ThrowIfNegative(
        LibBpf.bpf_map__set_autocreate(FindMap(map), autocreate ? (byte)1 : (byte)0),
        $"bpf_map__set_autocreate({map})");

    /// <summary>Before load.</summary>
    public void SetMaxEntries(string map, uint maxEntries) => BpfException.ThrowIfNegative(
        LibBpf.bpf_map__set_max_entries(FindMap(map), maxEntries), $"bpf_map__set_max_entries({map})");

    /// <summary>
    /// Before load: takes the memory of every entry of the hash maps at once. Kernels before 6.1 cannot do it later for programs
    /// on kprobes and tracepoints that are not typed.
    /// </summary>
    public void PreallocateHashMaps()
    {
        for (var m = LibBpf.bpf_object__next_map(this, 0); m != 0; m = LibBpf.bpf_object__next_map(this, m))
        {
            if ((BpfMapType)LibBpf.bpf_map__type(m) == BpfMapType.Hash)
            {
                BpfException.ThrowIfNegative(
                    LibBpf.bpf_map__set_map_flags(m, LibBpf.bpf_map__map_flags(m) & ~LibBpf.BPF_F_NO_PREALLOC),
                    $"bpf_map__set_map_flags({BpfMapInfo.Of(m).Name})");
            }
        }
    }

    /// <summary>Before load: uses the map of the same name in a loaded object, so that two objects share it.</summary>
    public void ShareMap(string map, BpfObject from) => BpfException.ThrowIfNegative(
        LibBpf.bpf_map__reuse_fd(FindMap(map), LibBpf.bpf_map__fd(from.FindMap(map))), $"bpf_map__reuse_fd({map})");

    /// <summary>Before load: gives a <c>const volatile</c> variable its value, which the verifier then knows.</summary>
    public void SetConstant<T>(string variable, T value)
        where T : unmanaged
    {
        if (_isLoaded)
        {
            throw new InvalidOperationException($"{variable} in {_name} can be set before loading only.");
        }

        var place = Locate<T>(variable);
        MemoryMarshal.Write(InitialValue(place.Section)[place.Offset..], in value);
    }

    /// <summary>Before load: the bytes a section of global variables, such as <c>.rodata</c>, starts with.</summary>
    public Span<byte> InitialValue(string section)
    {
        nuint size;
        var value = LibBpf.bpf_map__initial_value(FindMap(section), &size);
        return new Span<byte>(value, (int)size);
    }

    /// <summary>
    /// Creates the maps and puts the programs into the kernel, all or nothing. On refusal the exception's
    /// <see cref="BpfException.Log"/> has the verifier's reasons, and the object is of no more use.
    /// </summary>
    public void Load()
    {
        BpfLog.BeginCapture();
        var result = LibBpf.bpf_object__load(this);
        var log = BpfLog.EndCapture();
        if (result < 0)
        {
            throw new BpfException($"bpf_object__load({_name})", -result, log);
        }

        _isLoaded = true;
    }

    public BpfProgram Program(string name) => _programs.TryGetValue(name, out var program)
        ? program
        : throw new ArgumentException($"{_name} has no program {name}.", nameof(name));

    public BpfMap<TKey, TValue> Map<TKey, TValue>(string name)
        where TKey : unmanaged
        where TValue : unmanaged => new(this, LoadedMap(name));

    public PerCpuArray<TValue> PerCpuArray<TValue>(string name)
        where TValue : unmanaged => new(this, LoadedMap(name));

    public ReplaceableArray<TValue> ReplaceableArray<TValue>(string name)
        where TValue : unmanaged => new(this, LoadedMap(name));

    public RingBuffer RingBuffer(string name) => new(LoadedMap(name));

    /// <summary>A variable of .data or .bss, read and written while the programs run.</summary>
    public GlobalVariable<T> GlobalVariable<T>(string variable)
        where T : unmanaged
    {
        var place = Locate<T>(variable);
        var map = LoadedMap(place.Section);
        if (!_sections.TryGetValue(place.Section, out var memory))
        {
            // libbpf shares this memory for its generated skeletons only.
            memory = new MappedMemory(LibBpf.bpf_map__fd(map), 0, LibBpf.bpf_map__value_size(map),
                LibC.PROT_READ | LibC.PROT_WRITE);
            _sections.Add(place.Section, memory);
        }

        return new GlobalVariable<T>(this, (byte*)memory.DangerousGetHandle() + place.Offset);
    }

    /// <summary>Entries in use, or null for a kind of map whose entries cannot be listed.</summary>
    public long? CountEntries(string map) => MapEntries.Count(LoadedMap(map));

    /// <summary>Attaches to the hook the program's section names.</summary>
    public BpfLink Attach(string program) =>
        Link(LibBpf.bpf_program__attach(Program(program).Handle), $"bpf_program__attach({program})");

    /// <summary>
    /// Attaches a kretprobe that can follow many calls at once. The kernel follows as many as it set memory aside for, a few a
    /// processor unless it is told otherwise, and a call that sleeps, such as a receive, is followed all the while.
    /// </summary>
    /// <param name="program">A program whose section starts with <c>kretprobe/</c>.</param>
    /// <exception cref="BpfException">Refused; where there is no tracefs to write to, <see cref="Attach"/> may still work.</exception>
    public BpfLink AttachReturn(string program)
    {
        var function = Program(program).Section["kretprobe/".Length..];
        var probe = ReturnProbe.Create(program, function);
        try
        {
            var link = LibBpf.bpf_program__attach_perf_event(Program(program).Handle, probe.Descriptor);
            return Link(link, $"bpf_program__attach_perf_event({program})", probe);
        }
        catch
        {
            probe.Dispose();
            throw;
        }
    }

    /// <summary>Attaches a cgroup program to a directory of the cgroup2 file system and all below it.</summary>
    public BpfLink AttachCgroup(string program, string cgroupPath)
    {
        using var cgroup = FileDescriptor.Open(cgroupPath);
        return Link(LibBpf.bpf_program__attach_cgroup(Program(program).Handle, cgroup),
            $"bpf_program__attach_cgroup({program}, {cgroupPath})");
    }

    /// <param name="program">A program whose section starts with <c>iter/</c>.</param>
    /// <param name="map">The map to visit, for iterators over the elements of one map.</param>
    public BpfIterator AttachIterator(string program, string? map = null)
    {
        var visited = new LibBpf.bpf_iter_link_info();
        var options = new LibBpf.bpf_iter_attach_opts { sz = (nuint)sizeof(LibBpf.bpf_iter_attach_opts) };
        if (map is not null)
        {
            visited.map_fd = (uint)LibBpf.bpf_map__fd(LoadedMap(map));
            options.link_info = &visited;
            options.link_info_len = (uint)sizeof(LibBpf.bpf_iter_link_info);
        }

        var link = LibBpf.bpf_program__attach_iter(Program(program).Handle, &options);
        return new BpfIterator(Link(link, $"bpf_program__attach_iter({program})"), program);
    }

    /// <summary>Runs a <c>SEC("syscall")</c> program once, without attaching it, and returns its result (kernel 5.14).</summary>
    public int RunOnce(string program)
    {
        var options = new LibBpf.bpf_test_run_opts { sz = (nuint)sizeof(LibBpf.bpf_test_run_opts) };
        BpfException.ThrowIfNegative(
            LibBpf.bpf_prog_test_run_opts(Program(program).Fd, &options), $"bpf_prog_test_run_opts({program})");
        return (int)options.retval;
    }

    protected override bool ReleaseHandle()
    {
        foreach (var section in _sections.Values)
        {
            section.Dispose();
        }

        LibBpf.bpf_object__close(handle);
        return true;
    }

    private static BpfLink Link(nint link, string call, IDisposable? hook = null)
    {
        var errno = Marshal.GetLastPInvokeError();
        return link != 0 ? new BpfLink(link, hook) : throw new BpfException(call, errno);
    }

    private nint FindMap(string name)
    {
        var map = LibBpf.bpf_object__find_map_by_name(this, name);
        return map != 0 ? map : throw new ArgumentException($"{_name} has no map {name}.", nameof(name));
    }

    private nint LoadedMap(string name) => _isLoaded
        ? FindMap(name)
        : throw new InvalidOperationException($"{_name} is not loaded.");

    private VariablePlace Locate<T>(string variable)
        where T : unmanaged
    {
        var place = BtfVariables.Find(this, variable)
            ?? throw new ArgumentException($"{_name} has no global variable {variable}.", nameof(variable));
        return place.Size == sizeof(T)
            ? place
            : throw new InvalidOperationException(
                $"{variable} in {_name} has {place.Size} B, not the {sizeof(T)} B of {typeof(T).Name}.");
    }
}
