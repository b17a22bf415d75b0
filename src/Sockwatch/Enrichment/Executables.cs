using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Enrichment;

/// <summary>Executables by the kernel's number for them, or for one of their processes. Not thread-safe.</summary>
internal sealed class Executables
{
    private readonly IKernelTotals _kernel;
    private readonly BoundedCache<ulong, ExecutableName> _names;

    public Executables(IKernelTotals kernel, CacheLedger caches, int limit)
    {
        _kernel = kernel;
        _names = new BoundedCache<ulong, ExecutableName>(limit);
        caches.Follow("executables", () => _names.Evictions);
    }

    // What the kernel does not know yet is not remembered, so that it is found once it is known.
    public ExecutableName? Find(ulong id)
    {
        id = EdgeProcess.ExecutableOf(id);
        if (id == 0)
        {
            return null;
        }

        if (_names.TryGet(id, out var name))
        {
            return name;
        }

        if (_kernel.ExecutablePath(id) is not { Length: > 0 } path)
        {
            return null;
        }

        name = ExecutableName.Parse(path);
        _names.Add(id, name);
        return name;
    }
}
