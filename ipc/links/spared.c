/* What Debian's libzmq can do and we never ask of it: PGM, NORM and Kerberos. Its archive wants
 * their functions all the same, and with their libraries a worker loads eleven more files, and
 * looks up a protocol in 60 folders, before its first line (pgm_init, called by every zmq_ctx_new).
 * These take their place in programs that start fast (ipc/fast_start.cmake). */
#include <stdlib.h>

/* Called for every context; 1 is their TRUE. */
#define SUCCEEDS(name)                                                                             \
	int name(void);                                                                            \
	int name(void)                                                                             \
	{                                                                                          \
		return 1;                                                                          \
	}

SUCCEEDS(pgm_init)
SUCCEEDS(pgm_shutdown)

/* Only for addresses that begin with pgm: or norm:, and for ZMQ_GSSAPI_… options. */
#define NEVER_CALLED(name)                                                                         \
	_Noreturn void name(void);                                                                 \
	_Noreturn void name(void)                                                                  \
	{                                                                                          \
		abort();                                                                           \
	}

NEVER_CALLED(pgm_bind3)
NEVER_CALLED(pgm_close)
NEVER_CALLED(pgm_connect)
NEVER_CALLED(pgm_error_free)
NEVER_CALLED(pgm_free)
NEVER_CALLED(pgm_freeaddrinfo)
NEVER_CALLED(pgm_getaddrinfo)
NEVER_CALLED(pgm_getsockopt)
NEVER_CALLED(pgm_gsi_create_from_data)
NEVER_CALLED(pgm_recvmsgv)
NEVER_CALLED(pgm_send)
NEVER_CALLED(pgm_setsockopt)
NEVER_CALLED(pgm_socket)
NEVER_CALLED(NormCreateInstance)
NEVER_CALLED(NormCreateSession)
NEVER_CALLED(NormDestroyInstance)
NEVER_CALLED(NormDestroySession)
NEVER_CALLED(NormGetDescriptor)
NEVER_CALLED(NormGetNextEvent)
NEVER_CALLED(NormGetRandomSessionId)
NEVER_CALLED(NormIsUnicastAddress)
NEVER_CALLED(NormNodeDelete)
NEVER_CALLED(NormObjectGetType)
NEVER_CALLED(NormObjectGetUserData)
NEVER_CALLED(NormObjectSetUserData)
NEVER_CALLED(NormSetCongestionControl)
NEVER_CALLED(NormSetDefaultSyncPolicy)
NEVER_CALLED(NormSetDefaultUnicastNack)
NEVER_CALLED(NormSetLoopback)
NEVER_CALLED(NormSetMulticastInterface)
NEVER_CALLED(NormSetRxPortReuse)
NEVER_CALLED(NormSetTTL)
NEVER_CALLED(NormStartReceiver)
NEVER_CALLED(NormStartSender)
NEVER_CALLED(NormStopInstance)
NEVER_CALLED(NormStopReceiver)
NEVER_CALLED(NormStopSender)
NEVER_CALLED(NormStreamFlush)
NEVER_CALLED(NormStreamOpen)
NEVER_CALLED(NormStreamRead)
NEVER_CALLED(NormStreamSeekMsgStart)
NEVER_CALLED(NormStreamWrite)
NEVER_CALLED(gss_accept_sec_context)
NEVER_CALLED(gss_acquire_cred)
NEVER_CALLED(gss_delete_sec_context)
NEVER_CALLED(gss_display_name)
NEVER_CALLED(gss_import_name)
NEVER_CALLED(gss_init_sec_context)
NEVER_CALLED(gss_release_buffer)
NEVER_CALLED(gss_release_cred)
NEVER_CALLED(gss_release_name)
NEVER_CALLED(gss_unwrap)
NEVER_CALLED(gss_wrap)

#define NEVER_READ(name)                                                                           \
	extern const void *const name;                                                             \
	const void *const name = NULL;

NEVER_READ(NORM_INSTANCE_INVALID)
NEVER_READ(NORM_NODE_ANY)
NEVER_READ(NORM_OBJECT_INVALID)
NEVER_READ(NORM_SESSION_INVALID)
NEVER_READ(GSS_C_NT_HOSTBASED_SERVICE)
NEVER_READ(GSS_C_NT_USER_NAME)
