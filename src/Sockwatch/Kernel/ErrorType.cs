namespace Sockwatch.Kernel;

/// <summary>Values of the <c>error.type</c> attribute, named as C++ names them (std::errc).</summary>
internal static class ErrorType
{
    public const string Other = "_OTHER";

    /// <summary>The name of an errno of Linux; empty for 0, which is success.</summary>
    public static string Name(int errno) => errno switch
    {
        0 => "",
        1 => "operation_not_permitted",
        4 => "interrupted",
        5 => "io_error",
        6 => "no_such_device_or_address",
        9 => "bad_file_descriptor",
        11 => "resource_unavailable_try_again",
        12 => "not_enough_memory",
        13 => "permission_denied",
        14 => "bad_address",
        19 => "no_such_device",
        22 => "invalid_argument",
        23 => "too_many_files_open_in_system",
        24 => "too_many_files_open",
        32 => "broken_pipe",
        71 => "protocol_error",
        88 => "not_a_socket",
        89 => "destination_address_required",
        90 => "message_size",
        91 => "wrong_protocol_type",
        92 => "no_protocol_option",
        93 => "protocol_not_supported",
        95 => "operation_not_supported",
        97 => "address_family_not_supported",
        98 => "address_in_use",
        99 => "address_not_available",
        100 => "network_down",
        101 => "network_unreachable",
        102 => "network_reset",
        103 => "connection_aborted",
        104 => "connection_reset",
        105 => "no_buffer_space",
        106 => "already_connected",
        107 => "not_connected",
        110 => "timed_out",
        111 => "connection_refused",
        113 => "host_unreachable",
        114 => "connection_already_in_progress",
        115 => "operation_in_progress",
        125 => "operation_canceled",
        _ => Other,
    };
}
