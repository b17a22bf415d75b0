namespace Sockwatch.Bpf;

/// <summary>Where a global variable lies: its section's map, and the bytes within.</summary>
internal readonly record struct VariablePlace(string Section, int Offset, int Size);

/// <summary>Finds global variables by name in the type information an object carries.</summary>
internal static unsafe class BtfVariables
{
    internal static VariablePlace? Find(BpfObject obj, string variable)
    {
        var btf = LibBpf.bpf_object__btf(obj);
        if (btf == 0)
        {
            return null;
        }

        for (uint id = 1; id < LibBpf.btf__type_cnt(btf); id++)
        {
            var type = LibBpf.btf__type_by_id(btf, id);
            if (type->Kind == LibBpf.BTF_KIND_DATASEC && FindIn(btf, type, variable) is { } place)
            {
                return place;
            }
        }

        return null;
    }

    private static VariablePlace? FindIn(nint btf, LibBpf.btf_type* section, string variable)
    {
        var members = (LibBpf.btf_var_secinfo*)(section + 1);
        for (var i = 0; i < section->Vlen; i++)
        {
            var member = LibBpf.btf__type_by_id(btf, members[i].type);
            if (Name(btf, member) == variable)
            {
                return new VariablePlace(Name(btf, section), (int)members[i].offset, (int)members[i].size);
            }
        }

        return null;
    }

    private static string Name(nint btf, LibBpf.btf_type* type) =>
        LibBpf.Text(LibBpf.btf__name_by_offset(btf, type->name_off));
}
