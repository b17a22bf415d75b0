using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace Sockwatch.Bpf;

/// <summary>
/// libbpf 1.1 as it declares itself in bpf/libbpf.h, bpf/bpf.h and bpf/btf.h, by its own names. Functions that return a
/// pointer leave the error in errno; the others return 0 or more, or the negated errno.
/// </summary>
internal static unsafe partial class LibBpf
{
    private const string Library = "libbpf.so.1";

    [LibraryImport(Library)]
    internal static partial nint libbpf_set_print(delegate* unmanaged[Cdecl]<int, byte*, nint, int> fn);

    [LibraryImport(Library)]
    internal static partial byte* libbpf_version_string();

    [LibraryImport(Library)]
    internal static partial int libbpf_num_possible_cpus();

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial nint bpf_object__open_file(string path, bpf_object_open_opts* opts);

    [LibraryImport(Library)]
    internal static partial int bpf_object__load(BpfObject obj);

    [LibraryImport(Library)]
    internal static partial void bpf_object__close(nint obj);

    [LibraryImport(Library)]
    internal static partial nint bpf_object__btf(BpfObject obj);

    [LibraryImport(Library)]
    internal static partial nint bpf_object__next_program(BpfObject obj, nint prog);

    [LibraryImport(Library)]
    internal static partial nint bpf_object__next_map(BpfObject obj, nint map);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint bpf_object__find_map_by_name(BpfObject obj, string name);

    [LibraryImport(Library)]
    internal static partial byte* bpf_program__name(nint prog);

    [LibraryImport(Library)]
    internal static partial byte* bpf_program__section_name(nint prog);

    [LibraryImport(Library)]
    internal static partial byte bpf_program__autoload(nint prog);

    [LibraryImport(Library)]
    internal static partial int bpf_program__set_autoload(nint prog, byte autoload);

    [LibraryImport(Library)]
    internal static partial int bpf_program__fd(nint prog);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint bpf_program__attach(nint prog);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint bpf_program__attach_cgroup(nint prog, FileDescriptor cgroup_fd);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint bpf_program__attach_iter(nint prog, bpf_iter_attach_opts* opts);

    [LibraryImport(Library)]
    internal static partial int bpf_link__destroy(nint link);

    [LibraryImport(Library)]
    internal static partial int bpf_link__fd(BpfLink link);

    [LibraryImport(Library)]
    internal static partial int bpf_iter_create(int link_fd);

    [LibraryImport(Library)]
    internal static partial byte* bpf_map__name(nint map);

    [LibraryImport(Library)]
    internal static partial int bpf_map__fd(nint map);

    [LibraryImport(Library)]
    internal static partial uint bpf_map__type(nint map);

    [LibraryImport(Library)]
    internal static partial uint bpf_map__key_size(nint map);

    [LibraryImport(Library)]
    internal static partial uint bpf_map__value_size(nint map);

    [LibraryImport(Library)]
    internal static partial uint bpf_map__map_flags(nint map);

    [LibraryImport(Library)]
    internal static partial uint bpf_map__max_entries(nint map);

    [LibraryImport(Library)]
    internal static partial int bpf_map__set_max_entries(nint map, uint max_entries);

    [LibraryImport(Library)]
    internal static partial int bpf_map__set_autocreate(nint map, byte autocreate);

    [LibraryImport(Library)]
    internal static partial int bpf_map__reuse_fd(nint map, int fd);

    [LibraryImport(Library)]
    internal static partial void* bpf_map__initial_value(nint map, nuint* psize);

    [LibraryImport(Library)]
    internal static partial int bpf_map_lookup_elem(int fd, void* key, void* value);

    [LibraryImport(Library)]
    internal static partial int bpf_map_update_elem(int fd, void* key, void* value, ulong flags);

    [LibraryImport(Library)]
    internal static partial int bpf_map_delete_elem(int fd, void* key);

    [LibraryImport(Library)]
    internal static partial int bpf_map_lookup_and_delete_elem(int fd, void* key, void* value);

    [LibraryImport(Library)]
    internal static partial int bpf_map_get_next_key(int fd, void* key, void* next_key);

    [LibraryImport(Library)]
    internal static partial int bpf_map_lookup_batch(
        int fd, void* in_batch, void* out_batch, void* keys, void* values, uint* count, void* opts);

    [LibraryImport(Library)]
    internal static partial int bpf_map_delete_batch(int fd, void* keys, uint* count, void* opts);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int bpf_map_create(
        uint map_type, string map_name, uint key_size, uint value_size, uint max_entries, bpf_map_create_opts* opts);

    [LibraryImport(Library)]
    internal static partial int bpf_obj_get_info_by_fd(int bpf_fd, void* info, uint* info_len);

    [LibraryImport(Library)]
    internal static partial int bpf_enable_stats(int type);

    [LibraryImport(Library)]
    internal static partial int bpf_prog_test_run_opts(int prog_fd, bpf_test_run_opts* opts);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint btf__load_vmlinux_btf();

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial nint btf__parse(string path, void* btf_ext);

    [LibraryImport(Library)]
    internal static partial void btf__free(nint btf);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int btf__find_by_name_kind(nint btf, string type_name, uint kind);

    [LibraryImport(Library)]
    internal static partial btf_type* btf__type_by_id(nint btf, uint id);

    [LibraryImport(Library)]
    internal static partial uint btf__type_cnt(nint btf);

    [LibraryImport(Library)]
    internal static partial byte* btf__name_by_offset(nint btf, uint offset);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint bpf_object__open_mem(void* image, nuint size, bpf_object_open_opts* opts);

    [LibraryImport(Library)]
    internal static partial int bpf_map__set_map_flags(nint map, uint flags);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint bpf_program__attach_perf_event(nint prog, int pfd);

    internal const int BPF_STATS_RUN_TIME = 0;
    internal const uint BPF_F_NO_PREALLOC = 1;
    internal const int BPF_F_MMAPABLE = 1 << 10;
    internal const int BPF_F_INNER_MAP = 1 << 12;
    internal const uint BTF_KIND_STRUCT = 4;
    internal const uint BTF_KIND_TYPEDEF = 8;
    internal const uint BTF_KIND_FUNC = 12;
    internal const uint BTF_KIND_DATASEC = 15;

    internal const uint BPF_RINGBUF_BUSY_BIT = 1u << 31;
    internal const uint BPF_RINGBUF_DISCARD_BIT = 1u << 30;
    internal const int BPF_RINGBUF_HDR_SZ = 8;

    [StructLayout(LayoutKind.Sequential)]
    internal struct bpf_object_open_opts
    {
        public nuint sz;
        public nint object_name;
        public byte relaxed_maps;
        public nint pin_root_path;
        public uint reserved;
        public nint kconfig;
        public nint btf_custom_path;
        public nint kernel_log_buf;
        public nuint kernel_log_size;
        public uint kernel_log_level;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct bpf_map_create_opts
    {
        public nuint sz;
        public uint btf_fd;
        public uint btf_key_type_id;
        public uint btf_value_type_id;
        public uint btf_vmlinux_value_type_id;
        public uint inner_map_fd;
        public uint map_flags;
        public ulong map_extra;
        public uint numa_node;
        public uint map_ifindex;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct bpf_iter_attach_opts
    {
        public nuint sz;
        public bpf_iter_link_info* link_info;
        public uint link_info_len;
    }

    /// <summary>A union in C; the map is the only member used here. The size is the whole union's.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 16)]
    internal struct bpf_iter_link_info
    {
        public uint map_fd;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct bpf_test_run_opts
    {
        public nuint sz;
        public void* data_in;
        public void* data_out;
        public uint data_size_in;
        public uint data_size_out;
        public void* ctx_in;
        public void* ctx_out;
        public uint ctx_size_in;
        public uint ctx_size_out;
        public uint retval;
        public int repeat;
        public uint duration;
        public uint flags;
        public uint cpu;
        public uint batch_size;
    }

    /// <summary>The fields of <c>struct bpf_prog_info</c> that are read here, at their place in linux/bpf.h.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 232)]
    internal struct bpf_prog_info
    {
        [FieldOffset(4)]
        public uint id;

        [FieldOffset(64)]
        public fixed byte name[16];

        [FieldOffset(192)]
        public ulong run_time_ns;

        [FieldOffset(200)]
        public ulong run_cnt;

        [FieldOffset(208)]
        public ulong recursion_misses;
    }

    internal const uint BPF_LINK_TYPE_CGROUP = 3;

    /// <summary>The fields of <c>struct bpf_link_info</c> that are read here; the last are of the union's member for cgroups.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 64)]
    internal struct bpf_link_info
    {
        public uint type;
        public uint id;
        public uint prog_id;
        public uint padding;
        public ulong cgroup_id;
        public uint attach_type;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct btf_type
    {
        public uint name_off;
        public uint info;
        public uint size_or_type;

        public readonly uint Kind => (info >> 24) & 0x1f;
        public readonly int Vlen => (int)(info & 0xffff);
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct btf_var_secinfo
    {
        public uint type;
        public uint offset;
        public uint size;
    }
}
