namespace Sockwatch.Bpf;

/// <summary>
/// A global variable of a loaded object, shared with its running programs: reads and writes reach kernel memory.
/// The <see cref="BpfObject"/> owns that memory.
/// </summary>
public sealed unsafe class GlobalVariable<T>
    where T : unmanaged
{
    private readonly BpfObject _owner;
    private readonly T* _variable;

    internal GlobalVariable(BpfObject owner, void* variable)
    {
        _owner = owner;
        _variable = (T*)variable;
    }

    public T Value
    {
        get
        {
            ObjectDisposedException.ThrowIf(_owner.IsClosed, _owner);
            // The barriers keep the compiler from carrying a value over from an earlier read.
            Interlocked.MemoryBarrier();
            return *_variable;
        }

        set
        {
            ObjectDisposedException.ThrowIf(_owner.IsClosed, _owner);
            *_variable = value;
            Interlocked.MemoryBarrier();
        }
    }
}
