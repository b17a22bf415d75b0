using Sockwatch.Bpf;
using Xunit;

namespace Sockwatch.KernelTests.Bpf;

/// <summary>The objects made from programs/*.bpf.c.</summary>
internal static class TestPrograms
{
    private static readonly string Folder = Path.Combine(RepositoryRoot(), "artifacts", "bpf-tests");

    public static string PathOf(string name) => Path.Combine(Folder, name + ".bpf.o");

    public static BpfObject Open(string name)
    {
        Agents.Requires.Bpf();
        return BpfObject.Open(PathOf(name));
    }

    public static BpfObject Load(string name)
    {
        var programs = Open(name);
        programs.Load();
        return programs;
    }

    private static string RepositoryRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Sockwatch.slnx")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("The tests run from inside the repository.");
    }
}

/// <summary>Mirrors <c>struct pair</c> of maps.bpf.c.</summary>
internal record struct Pair(ulong First, ulong Second);
