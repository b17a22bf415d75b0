using Sockwatch.Kernel;

namespace Sockwatch.Enrichment;

/// <summary>The names of networks in force; another table may take their place at any time. Any thread may call it.</summary>
internal sealed class NetworkNames(NetworkTable table)
{
    private NetworkTable _table = table;

    public string? Find(in Address16 address) => Volatile.Read(ref _table).Find(address);

    public void Replace(NetworkTable table) => Volatile.Write(ref _table, table);
}
