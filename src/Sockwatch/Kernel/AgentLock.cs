using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Sockwatch.Kernel;

/// <summary>Held while this machine is being counted, so that a second agent says so instead of counting everything twice.</summary>
internal sealed class AgentLock : IDisposable
{
    private readonly FileStream _file;

    private AgentLock(FileStream file)
    {
        _file = file;
    }

    /// <exception cref="KernelException">Another agent holds it, or the directory cannot be written.</exception>
    public static AgentLock Take(string stateDirectory)
    {
        var path = Path.Combine(stateDirectory, "agent.lock");
        try
        {
            Directory.CreateDirectory(stateDirectory);
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            // FileShare.None is flock(2): it goes with the process, however that ends.
            file.SetLength(0);
            file.Write(Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
            file.Flush();
            return new AgentLock(file);
        }
        catch (IOException failure) when (File.Exists(path))
        {
            throw new KernelException(
                $"another agent{Holder(path)} is counting on this machine ({path}): stop it first, or use 'sockwatch trace' or 'sockwatch top' beside it", failure);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"cannot write {path}: {failure.Message} Set stateDirectory to a directory that can be written", failure);
        }
    }

    public void Dispose() => _file.Dispose();

    private static string Holder(string path) =>
        int.TryParse(ReadLocked(path), CultureInfo.InvariantCulture, out var pid) ? $" (pid {pid})" : "";

    // .NET's own files would ask for the lock.
    private static string? ReadLocked(string path)
    {
        var descriptor = LibC.open(Encoding.UTF8.GetBytes(path + '\0')[0], LibC.OpenCloseOnExec, 0);
        if (descriptor < 0)
        {
            return null;
        }

        using var file = new SafeFileHandle(descriptor, ownsHandle: true);
        Span<byte> text = stackalloc byte[16];
        return Encoding.ASCII.GetString(text[..RandomAccess.Read(file, text, 0)]);
    }
}
