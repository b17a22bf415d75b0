using Microsoft.Extensions.Options;

namespace Sockwatch.Control;

/// <summary>How much of its limits the control socket uses.</summary>
internal sealed class ControlUse(IOptions<ControlOptions> options)
{
    private int _traces;
    private int _clients;

    public int Clients => Volatile.Read(ref _clients);

    public int MaxClients => options.Value.MaxClients;

    public int Traces => Volatile.Read(ref _traces);

    public int MaxTraces => options.Value.MaxTraces;

    public bool TryAddClient() => TryAdd(ref _clients, MaxClients);

    public void RemoveClient() => Interlocked.Decrement(ref _clients);

    public bool TryAddTrace() => TryAdd(ref _traces, MaxTraces);

    public void RemoveTrace() => Interlocked.Decrement(ref _traces);

    private static bool TryAdd(ref int count, int most)
    {
        if (Interlocked.Increment(ref count) <= most)
        {
            return true;
        }

        Interlocked.Decrement(ref count);
        return false;
    }
}
