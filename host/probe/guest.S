/*
 * The probe guest: what an accelerator must be able to run before it gets a kernel.
 *
 * Entered through PVH (32-bit, paging off), it goes to 64-bit mode at CPL 0 with paging, takes an int3 through its own IDT, and
 * runs a loop that takes milliseconds natively and minutes where each instruction is emulated by KVM. Then it ends QEMU
 * through isa-debug-exit, whose exit status is (value << 1) | 1.
 */

	.set DEBUG_EXIT, 0xf4
	.set SURVIVED, 42
	.set INT3_NOT_TAKEN, 43
	.set ROUNDS, 10000000

	/* XEN_ELFNOTE_PHYS32_ENTRY: QEMU enters here. */
	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 4, 18
	.asciz "Xen"
	.long _start

	.text
	.code32
	.globl _start
_start:
	cli
	cld
	lgdt gdt_pointer
	movl $pml4, %eax
	movl %eax, %cr3
	movl %cr4, %eax
	orl $0x20, %eax			/* CR4.PAE */
	movl %eax, %cr4
	movl $0xc0000080, %ecx		/* EFER */
	rdmsr
	orl $0x100, %eax		/* EFER.LME */
	wrmsr
	movl %cr0, %eax
	orl $0x80000001, %eax		/* CR0.PG, CR0.PE */
	movl %eax, %cr0
	ljmp $0x08, $long_mode

	.code64
long_mode:
	movl $0x10, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $stack_top, %esp

	/* An interrupt gate for vector 3. */
	movl $on_int3, %eax
	movw %ax, idt + 3 * 16
	movw $0x08, idt + 3 * 16 + 2
	movw $0x8e00, idt + 3 * 16 + 4
	shrl $16, %eax
	movw %ax, idt + 3 * 16 + 6
	lidt idt_pointer

	int3
	cmpl $1, taken
	movl $INT3_NOT_TAKEN, %eax
	jne leave_qemu

	movl $ROUNDS, %ecx
1:	addl %ecx, scratch
	decl %ecx
	jnz 1b
	movl $SURVIVED, %eax

leave_qemu:
	movw $DEBUG_EXIT, %dx
	outl %eax, %dx
2:	hlt
	jmp 2b

on_int3:
	incl taken
	iretq

	.data
	.balign 8
gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* 64-bit code, CPL 0 */
	.quad 0x00cf93000000ffff	/* data */
gdt_pointer:
	.word . - gdt - 1
	.long gdt

	.balign 8
idt_pointer:
	.word 4 * 16 - 1
	.quad idt

	/* The first GiB, identity mapped in 2 MiB pages. */
	.balign 4096
pml4:
	.quad pdpt + 3
	.fill 511, 8, 0
pdpt:
	.quad pd + 3
	.fill 511, 8, 0
pd:
	.set page, 0
	.rept 512
	.quad page + 0x83
	.set page, page + 0x200000
	.endr

	.bss
	.balign 16
idt:
	.skip 4 * 16
taken:
	.skip 4
scratch:
	.skip 4
	.balign 16
	.skip 4096
stack_top:

	.section .note.GNU-stack, "", @progbits
